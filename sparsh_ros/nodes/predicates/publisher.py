# SPDX-License-Identifier: Apache-2.0
"""The predicates of a hand as ROS tells them: a topic, and services that a planner calls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rclpy.node import Node
from std_srvs.srv import Trigger

from sparsh_ros.models.spec import ModelSpec
from sparsh_ros.msg import Predicate as PredicateMessage
from sparsh_ros.msg import Predicates
from sparsh_ros.nodes.messages import conversions
from sparsh_ros.nodes.runtime.endpoints import create_publisher
from sparsh_ros.nodes.topics import qos
from sparsh_ros.perception.head_runner import EncodedFrame, Features
from sparsh_ros.perception.postprocess import Estimate
from sparsh_ros.predicates.classifier import classifiers_folder, load_classifiers
from sparsh_ros.predicates.hand import HandPredicates, Predicate

TOPIC = "predicates"


class PredicatesPublisher:
    """Decides after each call of the encoder, publishes, and answers.

    `predicates/<name>` (std_srvs/Trigger) succeeds if the predicate is known and true; its message
    says which of true, false and unknown it is.
    """

    def __init__(self, node: Node, setting: str, spec: ModelSpec, fingers: Sequence[str]) -> None:
        """Load the classifiers, make topic and services.

        Args:
            node: Owns them.
            setting: "auto", or a folder of classifiers.
            spec: The model whose tokens will come.
            fingers: Names of all sensors of the hand.

        Raises:
            WeightsError: The classifiers are missing, damaged, or for another hand or model.
        """
        classifiers = load_classifiers(classifiers_folder(setting, spec.name), spec.name)
        self._hand = HandPredicates(classifiers, spec, fingers)
        self._publisher = create_publisher(node, Predicates, TOPIC, qos.ESTIMATE)
        for one in classifiers:
            node.create_service(Trigger, f"{TOPIC}/{one.name}", partial(self._answer, one.name))

    def publish(self, features: Features, estimates: Sequence[Estimate]) -> None:
        """Decide anew, with what one call of the encoder gave, and publish."""
        decided = self._hand.update(features, estimates)
        if decided is not None:
            self._publisher.publish(to_msg(*decided))

    def invalidate(self, estimates: Sequence[Estimate]) -> None:
        """Publish that nothing is known, for the reason that these invalid estimates give."""
        frames = tuple(EncodedFrame(e.sensor, e.stamp_ns, reason=e.reason) for e in estimates)
        self.publish(Features(frames, None), estimates)

    def _answer(
        self, name: str, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        (found,) = (one for one in self._hand.last if one.name == name)
        response.success = found.valid and found.value
        response.message = found.describe()
        return response


def to_msg(stamp_ns: int, predicates: Sequence[Predicate]) -> Predicates:
    """All predicates of a hand as one message."""
    fields = ("name", "valid", "value", "probability", "reason")
    own = [{name: getattr(one, name) for name in fields} for one in predicates]
    return Predicates(
        header=conversions.header(stamp_ns, ""),
        predicates=[PredicateMessage(**values) for values in own],
    )
