# SPDX-License-Identifier: Apache-2.0
"""One module per subcommand of `sparsh-ros` that needs no ROS."""
