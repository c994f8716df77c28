"""`borrowed(array)`: the same array, whose references numba does not count.

Each count is an atomic addition, and in small functions that are handed many arrays they cost more than the work.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic
def borrowed(typing_context: Any, array: Any) -> Any:
    """Return the array without owner; the caller must keep the one that was given for as long."""
    signature = array(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        record = context.make_array(signature.args[0])(context, builder, arguments[0])
        record.meminfo = context.get_constant_null(types.voidptr)
        return record._getvalue()

    return signature, generate
