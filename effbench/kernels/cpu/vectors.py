"""Operations on short vectors that numba's loops do not compile to, as LLVM instructions.

Arrays are one-dimensional, contiguous and float32 (indices uint32). A tile keeps 8 rows of a
product in registers, 32 columns each, or the last 16, while it walks along what is summed: one
multiply-add per cycle and unit, where a loop that numba vectorises also loads and stores. LLVM
splits vectors of 16 for processors that have shorter ones.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS, COLUMNS = 8, 16  # rows are multiplied so many at once; columns are padded to these
# Sums of 16 numbers that are in registers together: without AVX-512 one takes several of them.
_SUMS = 16 if get_host_cpu_features().get("avx512f") else 4
LANES = 64  # points that are addressed at once, see `blend`

_intrinsic: Any = intrinsic  # untyped: callers leave out the first parameter, numba's own
_FLAGS = ("contract", "reassoc")  # NaN and infinity stay what they are
_FLOAT, _INT64, _INT32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value).data


def _load(builder: Any, pointer: Any, index: Any, width: int = 1) -> Any:
    at = builder.gep(pointer, [index])
    if width > 1:
        at = builder.bitcast(at, ir.VectorType(_FLOAT, width).as_pointer())
    loaded = builder.load(at)
    loaded.align = 4
    return loaded


def _store(builder: Any, value: Any, pointer: Any, index: Any) -> None:
    at = builder.bitcast(builder.gep(pointer, [index]), value.type.as_pointer())
    builder.store(value, at).align = 4


def _everywhere(builder: Any, scalar: Any, width: int) -> Any:
    """Return a vector of one number."""
    kind = ir.VectorType(_FLOAT, width)
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(_INT32, 0))
    lanes = ir.Constant(ir.VectorType(_INT32, width), [0] * width)
    return builder.shuffle_vector(first, nothing, lanes)


def _number(value: int) -> Any:
    return ir.Constant(_INT64, value)


def _make_product(mode: Literal["set", "relu", "add", "add_relu"]) -> Any:
    @_intrinsic
    def product(_, a, _a0, _lda, _along, b, _ldb, c, _c0, _ldc, _inner, _columns):  # type: ignore[no-untyped-def]
        long = types.int64
        signature = types.void(a, long, long, long, b, long, c, long, long, long, long)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointers = [_data(context, builder, signature.args[i], arguments[i]) for i in (0, 4, 6)]
            numbers = [arguments[i] for i in (1, 2, 3, 5, 7, 8, 9)]

            def tile(column: Any, width: int) -> None:
                together = min(ROWS, _SUMS * COLUMNS // width)
                for first in range(0, ROWS, together):
                    rows = range(first, first + together)
                    _tile(builder, mode, pointers, numbers, rows, column, width)

            columns, wide = arguments[10], 2 * COLUMNS
            with cgutils.for_range(builder, builder.sdiv(columns, _number(wide))) as loop:
                tile(builder.mul(loop.index, _number(wide)), wide)
            rest = builder.srem(columns, _number(wide))
            with builder.if_then(builder.icmp_signed(">", rest, _number(0))):
                tile(builder.sub(columns, rest), COLUMNS)
            return context.get_dummy_value()

        return signature, generate

    return product


def _tile(
    builder: Any, mode: str, pointers: Any, numbers: Any, rows: range, column: Any, width: int
) -> None:
    """Write the loop over what is summed, for some rows and `width` columns from `column` on."""
    (a, b, c), (a0, lda, along, ldb, c0, ldc, inner) = pointers, numbers
    zero = ir.Constant(ir.VectorType(_FLOAT, COLUMNS), [0.0] * COLUMNS)
    columns = [builder.add(column, _number(n)) for n in range(0, width, COLUMNS)]
    rows_a = [builder.add(a0, builder.mul(lda, _number(row))) for row in rows]
    rows_c = [builder.add(c0, builder.mul(ldc, _number(row))) for row in rows]
    places = [builder.add(row, at) for row in rows_c for at in columns]
    added = mode.startswith("add")
    started = [_load(builder, c, at, COLUMNS) if added else zero for at in places]
    before = builder.block
    loop, done = builder.append_basic_block("sum"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(_INT64)
    k.add_incoming(_number(0), before)
    sums = [builder.phi(zero.type) for _ in places]
    for total, start in zip(sums, started, strict=True):
        total.add_incoming(start, before)
    row_b = builder.mul(k, ldb)
    given = [_load(builder, b, builder.add(row_b, at), COLUMNS) for at in columns]
    place = builder.mul(k, along)
    grown: list[Any] = []
    for row in rows_a:
        factor = _everywhere(builder, _load(builder, a, builder.add(row, place)), COLUMNS)
        for vector in given:
            product = builder.fmul(factor, vector, flags=_FLAGS)
            grown.append(builder.fadd(product, sums[len(grown)], flags=_FLAGS))
    following = builder.add(k, _number(1))
    k.add_incoming(following, loop)
    for total, sum_ in zip(sums, grown, strict=True):
        total.add_incoming(sum_, loop)
    builder.cbranch(builder.icmp_signed("<", following, inner), loop, done)
    builder.position_at_end(done)
    for sum_, at in zip(grown, places, strict=True):
        negative = builder.fcmp_ordered("<", sum_, zero)
        value = builder.select(negative, zero, sum_) if mode.endswith("relu") else sum_
        _store(builder, value, c, at)


# product(A, a0, lda, s, B, ldb, C, c0, ldc, K, N): of 8 rows and N columns, a multiple of 16, from
# C[c0] on, C[c0 + m·ldc + n] becomes Σ_k A[a0 + m·lda + k·s] · B[k·ldb + n], K ≥ 1
product_set = _make_product("set")
product_relu = _make_product("relu")  # and 0 where that is negative
product_add = _make_product("add")  # C itself added
product_add_relu = _make_product("add_relu")


@_intrinsic
def blend(_, rows, index, weights, _lane, out, _at):  # type: ignore[no-untyped-def]
    """Write the mean of 8 pairs of `rows`, weighted: blend(rows, index, weights, lane, out, at) has
    out[at + f] = Σ_c weights[c·64 + lane] · rows[2·index[c·64 + lane] + f] for f in (0, 1)."""
    signature = types.void(rows, index, weights, types.int64, out, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, places, factors, target = (
            _data(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 2, 4)
        )
        sums: list[Any] = [None, None]  # two chains, so that one does not wait for the other
        for corner in range(8):
            entry = builder.add(arguments[3], _number(corner * LANES))
            row = builder.zext(_load(builder, places, entry), _INT64)
            pair = _load(builder, table, builder.shl(row, _number(1)), 2)
            factor = _everywhere(builder, _load(builder, factors, entry), 2)
            product = builder.fmul(factor, pair, flags=_FLAGS)
            chain = corner % 2
            sums[chain] = (
                product if sums[chain] is None else builder.fadd(product, sums[chain], flags=_FLAGS)
            )
        _store(builder, builder.fadd(*sums, flags=_FLAGS), target, arguments[5])
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def spread(_, rows, index, weights, _lane, gradient, _at):  # type: ignore[no-untyped-def]
    """Add to 8 pairs of `rows` what `blend` takes of them: spread(rows, index, weights, lane,
    gradient, at) adds weights[c·64 + lane] · gradient[at + f] to rows[2·index[c·64 + lane] + f]."""
    signature = types.void(rows, index, weights, types.int64, gradient, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, places, factors, source = (
            _data(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 2, 4)
        )
        given = _load(builder, source, arguments[5], 2)
        for corner in range(8):
            entry = builder.add(arguments[3], _number(corner * LANES))
            row = builder.shl(builder.zext(_load(builder, places, entry), _INT64), _number(1))
            factor = _everywhere(builder, _load(builder, factors, entry), 2)
            product = builder.fmul(factor, given, flags=_FLAGS)
            total = builder.fadd(_load(builder, table, row, 2), product, flags=_FLAGS)
            _store(builder, total, table, row)
        return context.get_dummy_value()

    return signature, generate


# exp(x) = 2^(x·log₂e): a whole power as exponent bits, and a polynomial for the rest in [−½, ½],
# Taylor's series of 2^r up to r⁷, whose error of 10⁻⁸ is below float32's
_LOG2_E = 1.4426950408889634
_SERIES = [math.log(2) ** n / math.factorial(n) for n in range(8)]


@_intrinsic
def exp_16(_, values, _at):  # type: ignore[no-untyped-def]
    """Replace 16 numbers from values[at] on by their exponentials: exp_16(values, at). Those below
    −87 and above 88 are taken for these; NaN stays."""
    signature = types.void(values, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _data(context, builder, signature.args[0], arguments[0])
        kind = ir.VectorType(_FLOAT, COLUMNS)

        def every(value: float) -> Any:
            return ir.Constant(kind, [value] * COLUMNS)

        x = _load(builder, pointer, arguments[1], COLUMNS)
        for bound, beyond in ((-87.0, "<"), (88.0, ">")):
            x = builder.select(builder.fcmp_ordered(beyond, x, every(bound)), every(bound), x)
        power = builder.fmul(x, every(_LOG2_E))
        rounding = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(kind, [kind]), f"llvm.rint.v{COLUMNS}f32"
        )
        whole = builder.call(rounding, [power])
        rest = builder.fsub(power, whole)
        total = every(_SERIES[-1])
        for term in reversed(_SERIES[:-1]):
            total = builder.fadd(builder.fmul(total, rest, flags=_FLAGS), every(term), flags=_FLAGS)
        integers = ir.VectorType(_INT32, COLUMNS)
        bits = builder.shl(builder.fptosi(whole, integers), ir.Constant(integers, [23] * COLUMNS))
        scaled = builder.add(builder.bitcast(total, integers), bits)
        _store(builder, builder.bitcast(scaled, kind), pointer, arguments[1])
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def copy_16(_, source, _from, target, _to):  # type: ignore[no-untyped-def]
    """Copy 16 numbers: copy_16(source, from, target, to)."""
    signature = types.void(source, types.int64, target, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, taken = (_data(context, builder, signature.args[i], arguments[i]) for i in (0, 2))
        _store(builder, _load(builder, given, arguments[1], COLUMNS), taken, arguments[3])
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def add_16(_, source, _from, target, _to):  # type: ignore[no-untyped-def]
    """Add 16 numbers to others: add_16(source, from, target, to)."""
    signature = types.void(source, types.int64, target, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, taken = (_data(context, builder, signature.args[i], arguments[i]) for i in (0, 2))
        more = _load(builder, given, arguments[1], COLUMNS)
        total = builder.fadd(_load(builder, taken, arguments[3], COLUMNS), more, flags=_FLAGS)
        _store(builder, total, taken, arguments[3])
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def prefetch(_, rows, _row):  # type: ignore[no-untyped-def]
    """Ask for rows[2·row] to be brought near: prefetch(rows, row)."""
    signature = types.void(rows, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        table = _data(context, builder, signature.args[0], arguments[0])
        at = builder.bitcast(builder.gep(table, [builder.shl(arguments[1], _number(1))]), byte)
        reading, keep, data = (ir.Constant(_INT32, value) for value in (0, 3, 1))
        builder.call(function, [at, reading, keep, data])
        return context.get_dummy_value()

    return signature, generate
