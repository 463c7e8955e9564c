"""A ray's next samples, a few at a time: the steps of `marching`, of `cascade_marching` and of
`contracted_marching`."""

from __future__ import annotations

import numpy as np
from numba import njit

from effbench.kernels.cpu import SERIAL
from effbench.kernels.cpu.cascade_marching import interval, length_at, look
from effbench.kernels.cpu.contracted_marching import _step
from effbench.kernels.cpu.marching import _clamp, _interval

_LANES = 16  # rays in lockstep
_SPACES = {"": 0, "linf": 1, "l2": 2}
CASCADES = 3  # the code of a space of those
_f32 = np.float32


def space_of(
    norm: str, growth: tuple[int, float, float]
) -> tuple[int, tuple[int, np.float32, np.float32]]:
    """Return the code of a space – 0 for a box, 1 and 2 contracted by L∞ and L2, or CASCADES – and
    how steps grow in it: the number of cascades (0: none), the cone and the longest step."""
    cascades, cone, longest = growth
    code = CASCADES if cascades else _SPACES[norm]
    return code, (cascades, _f32(cone), _f32(longest))


@njit(**SERIAL)
def march_on(  # type: ignore[no-untyped-def]
    o, d, near, far, distances, resolution, step, jitter, k, want, px, py, pz, ts, lengths, at
):
    """Write position, distance and length of up to `want` samples from lattice point k on; return
    their number, the next k, and whether the ray is at its end. Free cells are crossed in cubes as
    large as their `distances`."""
    enter, leave, (ix, iy, iz) = _interval(o, d, max(near, _f32(0)), far)
    size, last = _f32(resolution), resolution - 1
    ax, ay, az = abs(ix) / size, abs(iy) / size, abs(iz) / size
    per_length = _f32(1) / step
    count = 0
    while count < want:
        t = enter + (_f32(k) + jitter) * step
        if not t < leave:
            return count, k, True
        ux, uy, uz = o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]
        x, y, z = ux * size, uy * size, uz * size
        cx, cy, cz = min(max(int(x), 0), last), min(max(int(y), 0), last), min(max(int(z), 0), last)
        free = distances[(cz * resolution + cy) * resolution + cx]
        if free == 0:
            px[at + count], py[at + count], pz[at + count] = _clamp(ux), _clamp(uy), _clamp(uz)
            ts[at + count], lengths[at + count] = t, step
            count += 1
            k += 1
            continue
        beyond = _f32(free - 1)  # further cells to the face of the free cube
        fx, fy, fz = x - _f32(cx), y - _f32(cy), z - _f32(cz)
        gx = (_f32(1) - fx if d[0] > 0 else fx) + beyond
        gy = (_f32(1) - fy if d[1] > 0 else fy) + beyond
        gz = (_f32(1) - fz if d[2] > 0 else fz) + beyond
        ahead = max(min(gx * ax, gy * ay, gz * az), _f32(0))
        lattice = (t + ahead - enter) * per_length - jitter
        k = max(k + 1, int(np.ceil(lattice)))
    return count, k, False


@njit(**SERIAL)
def first_in_box(  # type: ignore[no-untyped-def]
    origins, directions, jitter, near, far, distances, resolution, step, first, rays, ks
):
    """Write each ray's first lattice point in an occupied cell into ks, -1 where there is none, for
    `rays` rays from `first` on: as `march_on` crosses free space, for 16 rays in lockstep, whose
    arithmetic the compiler vectorises. Most steps of most rays are through free space."""
    enter, leave = np.empty(_LANES, np.float32), np.empty(_LANES, np.float32)
    shift, t = np.empty(_LANES, np.float32), np.empty(_LANES, np.float32)
    ox, oy, oz = (
        np.empty(_LANES, np.float32),
        np.empty(_LANES, np.float32),
        np.empty(_LANES, np.float32),
    )
    dx, dy, dz = (
        np.empty(_LANES, np.float32),
        np.empty(_LANES, np.float32),
        np.empty(_LANES, np.float32),
    )
    ax, ay, az = (
        np.empty(_LANES, np.float32),
        np.empty(_LANES, np.float32),
        np.empty(_LANES, np.float32),
    )
    k, cell, free = (
        np.empty(_LANES, np.int32),
        np.empty(_LANES, np.int32),
        np.empty(_LANES, np.int32),
    )
    size, last, cells = _f32(resolution), np.int32(resolution - 1), np.int32(resolution)
    zero, one, per_length = _f32(0), _f32(1), _f32(1) / step
    for start in range(0, rays, _LANES):
        count = min(_LANES, rays - start)
        for lane in range(_LANES):
            r = first + start + min(lane, count - 1)
            o, d = origins[r], directions[r]
            enter[lane], leave[lane], (ix, iy, iz) = _interval(o, d, max(near, zero), far)
            shift[lane], k[lane] = jitter[r], 0
            ox[lane], oy[lane], oz[lane] = o[0], o[1], o[2]
            dx[lane], dy[lane], dz[lane] = d[0], d[1], d[2]
            ax[lane], ay[lane], az[lane] = abs(ix) / size, abs(iy) / size, abs(iz) / size
        going = 1
        while going:
            for lane in range(_LANES):
                at = enter[lane] + (_f32(k[lane]) + shift[lane]) * step
                x, y, z = (
                    (ox[lane] + at * dx[lane]) * size,
                    (oy[lane] + at * dy[lane]) * size,
                    (oz[lane] + at * dz[lane]) * size,
                )
                cx = min(max(np.int32(x), np.int32(0)), last)
                cy = min(max(np.int32(y), np.int32(0)), last)
                cz = min(max(np.int32(z), np.int32(0)), last)
                t[lane], cell[lane] = at, (cz * cells + cy) * cells + cx
            for lane in range(_LANES):
                free[lane] = distances[cell[lane]]
            going = 0
            for lane in range(_LANES):
                at = t[lane]
                x, y, z = (
                    (ox[lane] + at * dx[lane]) * size,
                    (oy[lane] + at * dy[lane]) * size,
                    (oz[lane] + at * dz[lane]) * size,
                )
                fx = x - _f32(min(max(np.int32(x), np.int32(0)), last))
                fy = y - _f32(min(max(np.int32(y), np.int32(0)), last))
                fz = z - _f32(min(max(np.int32(z), np.int32(0)), last))
                beyond = _f32(free[lane] - 1)
                gx = (one - fx if dx[lane] > zero else fx) + beyond
                gy = (one - fy if dy[lane] > zero else fy) + beyond
                gz = (one - fz if dz[lane] > zero else fz) + beyond
                ahead = max(min(gx * ax[lane], gy * ay[lane], gz * az[lane]), zero)
                lattice = (at + ahead - enter[lane]) * per_length - shift[lane]
                # as far as an int32 goes: beyond, a ray has long left the box
                beyond_k = np.int32(min(np.ceil(lattice), _f32(1 << 30)))
                on = (free[lane] > 0) & (at < leave[lane])
                k[lane] = max(k[lane] + np.int32(1), beyond_k) if on else k[lane]
                going |= int(on)
        for lane in range(count):
            met = free[lane] == 0 and t[lane] < leave[lane]
            ks[start + lane] = k[lane] if met else -1


@njit(**SERIAL)
def march_on_contracted(  # type: ignore[no-untyped-def]
    o, d, t, far, distances, resolution, step, cubic, want, px, py, pz, ts, lengths, at
):
    """Write up to `want` samples from distance t on, as `march_on` does; return their number, the
    next distance, and whether the ray is at its end."""
    size, last = _f32(resolution), resolution - 1
    ox, oy, oz = _f32(2) * o[0] - _f32(1), _f32(2) * o[1] - _f32(1), _f32(2) * o[2] - _f32(1)
    count = 0
    while count < want:
        if not t < far:
            return count, t, True
        along = _f32(2) * t
        ux, uy, uz = ox + along * d[0], oy + along * d[1], oz + along * d[2]
        m, ahead = _step(ux, uy, uz, d[0], d[1], d[2], step, cubic)
        inverse = _f32(1) / m
        scale = (_f32(2) - inverse) * inverse * _f32(0.25)
        x, y, z = ux * scale + _f32(0.5), uy * scale + _f32(0.5), uz * scale + _f32(0.5)
        cx, cy, cz = (
            min(max(int(x * size), 0), last),
            min(max(int(y * size), 0), last),
            min(max(int(z * size), 0), last),
        )
        if distances[(cz * resolution + cy) * resolution + cx] == 0:
            shrunk = np.cbrt((_f32(2) * m - _f32(1)) ** 2) * inverse * inverse
            px[at + count], py[at + count], pz[at + count] = x, y, z
            ts[at + count] = t
            lengths[at + count] = _f32(0.5) * ahead * _f32(shrunk)
            count += 1
        t += ahead
    return count, t, False


@njit(**SERIAL)
def march_on_cascades(  # type: ignore[no-untyped-def]
    o, d, t, far, distances, resolution, step, growth, want, px, py, pz, ts, lengths, at
):
    """Write up to `want` samples from distance t on, as `march_on` does, positions and lengths in
    the outermost box; return their number, the next distance, and whether the ray is at its end.
    growth: cascades, cone, longest step."""
    _, leave = interval(o, d, _f32(0), far, growth[0])
    half, shrink = _f32(0.5), _f32(1) / _f32(1 << (growth[0] - 1))
    count = 0
    while count < want:
        if not t < leave:
            return count, t, True
        length = length_at(t, step, growth)
        cell, (x, y, z), ahead = look(o, d, t, length, resolution, growth[0])
        if distances[cell] == 0:
            px[at + count] = (x - half) * shrink + half
            py[at + count] = (y - half) * shrink + half
            pz[at + count] = (z - half) * shrink + half
            ts[at + count], lengths[at + count] = t, length * shrink
            count += 1
            t += length
            continue
        target = t + ahead
        t += length
        while t < target:
            t += length_at(t, step, growth)
    return count, t, False


@njit(**SERIAL)
def first_in_cascades(o, d, near, far, step, jitter, growth):  # type: ignore[no-untyped-def]
    """Return the distance of a ray's first sample in cascades, infinite where it misses them."""
    enter, leave = interval(o, d, near, far, growth[0])
    if not enter < leave:
        return _f32(np.inf)
    return enter + jitter * length_at(enter, step, growth)


@njit(**SERIAL)
def first_distance(o, d, near, step, jitter, cubic):  # type: ignore[no-untyped-def]
    """Return the distance of a ray's first sample in contracted space: `jitter` steps from near."""
    two, one = _f32(2), _f32(1)
    ux, uy, uz = (
        two * (o[0] + near * d[0]) - one,
        two * (o[1] + near * d[1]) - one,
        two * (o[2] + near * d[2]) - one,
    )
    _, ahead = _step(ux, uy, uz, d[0], d[1], d[2], step, cubic)
    return near + jitter * ahead
