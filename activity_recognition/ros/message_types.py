"""Message types by name."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.type_support import check_is_valid_msg_type

from activity_recognition.errors import UnsupportedEncodingError


def message_class(type_name: str) -> Any:
    """Return the installed class of a message type, ``pkg/msg/Type``, its type support loaded.

    Raises:
        UnsupportedEncodingError: when it is not installed here, or not usable.
    """
    package, _, rest = type_name.partition('/')
    kind, _, name = rest.partition('/')
    try:
        found = getattr(importlib.import_module(f'{package}.{kind}'), name)
        check_is_valid_msg_type(found)
    except Exception as error:  # a broken type support raises whatever its library raises
        raise UnsupportedEncodingError(
            f'{type_name} is not installed here, or not usable ({error}); '
            f'install the package {package} or source the workspace that has it'
        ) from error
    return found
