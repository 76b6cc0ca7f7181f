# SPDX-License-Identifier: Apache-2.0
"""HTML of the reports: one file that needs nothing else, not even a network.

Templates lie in `templates/`. Whatever they are given is escaped, unless it is Markup: HTML that
another template made.
"""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_ENVIRONMENT = Environment(
    loader=PackageLoader("sparsh_ros.reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_ENVIRONMENT.filters["zip"] = zip


def render(template: str, **context: object) -> Markup:
    """Render a template.

    Args:
        template: Its path below `templates/`.
        context: What it shows, by the names it uses.
    """
    return Markup(_ENVIRONMENT.get_template(template).render(context))


def jpeg_url(jpeg: bytes) -> str:
    """The content of a JPEG file as the source of an image."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
