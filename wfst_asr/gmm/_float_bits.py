"""Powers of two put into and taken out of single-precision numbers, in a form that compilers turn into vector code."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD = ir.IntType(32)
_REAL = ir.FloatType()


@intrinsic
def times_power_of_two(typing_context: Any, number: Any, power: Any) -> Any:
    """Return number * 2^power for a whole `power` of -126 to 127, both float32."""
    signature = types.float32(types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = builder.fptosi(arguments[1], _WORD)
        bits = builder.shl(builder.add(whole, _WORD(127)), _WORD(23))
        return builder.fmul(arguments[0], builder.bitcast(bits, _REAL))

    return signature, generate


@intrinsic
def exponent(typing_context: Any, number: Any) -> Any:
    """Return e of number = m * 2^e, 1 <= m < 2, for a positive normal float32."""
    signature = types.float32(types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _WORD)
        return builder.sitofp(builder.sub(builder.lshr(bits, _WORD(23)), _WORD(127)), _REAL)

    return signature, generate


@intrinsic
def mantissa(typing_context: Any, number: Any) -> Any:
    """Return m of number = m * 2^e, 1 <= m < 2, for a positive normal float32."""
    signature = types.float32(types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _WORD)
        return builder.bitcast(builder.or_(builder.and_(bits, _WORD(0x7FFFFF)), _WORD(0x3F800000)), _REAL)

    return signature, generate
