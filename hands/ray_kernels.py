"""Warp kernels of `hands.ray_collision`: which vertices closed hands enclose, and the rays that say where those should go.

Enclosed or not is the same along any direction, as the surfaces are closed; so it is counted along one, z, for all vertices
at once: whatever lies above a vertex covers it in projection. Vertices are sorted into columns, and each face looks at the
columns that it covers. Rays need a tree: one mesh holds the hands of many pairs, right then left, each hand a group of its
faces, so that a ray meets the hand that it is sent to and no other.

Arrays are `[b w]` (pair, vertex); corners and faces are counted within a pair.
"""

from functools import lru_cache
from typing import no_type_check

import warp as wp

START = 1e-5
"""A ray begins this far off its vertex, metres: more than float32 loses, less than any gap that matters."""
REACH = 1.0
"""No hand is longer, metres."""
COLUMN = 0.004
"""Width of a column, metres: about an edge of a hand's faces."""
COLUMNS = 64
"""Columns a side, a power of two. Space repeats after them: more vertices are looked at, none is missed."""


@lru_cache
@no_type_check
def kernels() -> dict[str, wp.Kernel]:  # noqa: C901 - a namespace for functions
    """`roots` (where each hand's tree begins), `sort`, `cross`, and the searches `apart` and `literal`."""
    start, reach = wp.constant(START), wp.constant(REACH)
    width, columns = wp.constant(COLUMN), wp.constant(COLUMNS)

    @wp.struct
    class Hit:
        face: int
        shares: wp.vec3
        exit: float
        distance: float

    @wp.func
    def column_of(x: float) -> int:
        return int(wp.floor(x / width))

    @wp.func
    def place(across: int, along: int) -> int:
        return (across & (columns - 1)) * columns + (along & (columns - 1))

    @wp.func
    def turn(a: wp.vec3, b: wp.vec3) -> float:
        """Twice the area of the triangle 0, a, b seen from above, positive when counter-clockwise."""
        return a[0] * b[1] - a[1] * b[0]

    @wp.func
    def edge(i: int, j: int, a: wp.vec3, b: wp.vec3) -> float:
        """`turn(a, b)`, from both faces at an edge the same bits but for the sign: a point is covered by one of the two."""
        if i < j:
            return turn(a, b)
        return -turn(b, a)

    @wp.func
    def left(i: int, j: int, side: float) -> bool:
        return side > 0.0 or (side == 0.0 and i < j)

    @wp.func
    def covers(c: wp.vec3i, x: wp.vec3, y: wp.vec3, z: wp.vec3) -> bool:
        """Whether a face lies above the origin."""
        xy, yz, zx = edge(c[0], c[1], x, y), edge(c[1], c[2], y, z), edge(c[2], c[0], z, x)
        up = left(c[0], c[1], xy)
        if left(c[1], c[2], yz) != up or left(c[2], c[0], zx) != up:
            return False
        return (yz * x[2] + zx * y[2] + xy * z[2] > 0.0) == up

    @wp.kernel(module="unique", enable_backward=False)
    def roots(mesh: wp.uint64, root: wp.array(dtype=int)):
        group = wp.tid()
        root[group] = wp.mesh_get_group_root(mesh, group)

    @wp.kernel(module="unique", enable_backward=False)
    def sort(
        around_first: wp.array(dtype=int),
        around: wp.array(dtype=wp.vec2i),
        points: wp.array2d(dtype=wp.vec3),
        normal: wp.array2d(dtype=wp.vec3),
        open: wp.array2d(dtype=wp.uint8),
        above: wp.array3d(dtype=int),
        column: wp.array2d(dtype=int),
        following: wp.array2d(dtype=int),
    ):
        """Unit area-weighted normals, what the faces around a vertex do to it, and its place in its column.

        `open` is 1 where all these faces look along the normal. `above` begins with those of them that lie above a point an
        infinitesimal way before the vertex: seen from so near, a face goes on for ever between its two edges.
        """
        b, v = wp.tid()
        half = points.shape[1] // 2
        p, total = points[b, v], wp.vec3()
        for i in range(around_first[v], around_first[v + 1]):
            total += wp.cross(points[b, around[i][0]] - p, points[b, around[i][1]] - p)
        normal[b, v] = wp.normalize(total)
        open[b, v] = wp.uint8(1)
        above[b, 0, v] = 0
        above[b, 1, v] = 0
        for i in range(around_first[v], around_first[v + 1]):
            a, e = points[b, around[i][0]] - p, points[b, around[i][1]] - p
            if wp.dot(wp.cross(a, e), total) <= 0.0:
                open[b, v] = wp.uint8(0)
            to_a, to_e, wedge = turn(a, total), turn(e, total), turn(a, e)
            between = (to_a >= 0.0) != (to_e >= 0.0) and (to_a >= 0.0) == (wedge > 0.0)
            if between and (to_a * e[2] - to_e * a[2]) / wedge > total[2]:
                above[b, v // half, v] += 1
        if v % half < half - 1:
            following[b, v] = wp.atomic_exch(column, b, place(column_of(p[0]), column_of(p[1])), v)

    @wp.kernel(module="unique", enable_backward=False)
    def cross(
        corners: wp.array(dtype=wp.vec3i),
        right_faces: int,
        points: wp.array2d(dtype=wp.vec3),
        column: wp.array2d(dtype=int),
        following: wp.array2d(dtype=int),
        above: wp.array3d(dtype=int),
    ):
        """Each face counts itself above the vertices that it lies above, except its own corners."""
        b, f = wp.tid()
        c, h = corners[f], wp.where(f < right_faces, 0, 1)
        x, y, z = points[b, c[0]], points[b, c[1]], points[b, c[2]]
        low, high = wp.min(wp.min(x, y), z), wp.max(wp.max(x, y), z)
        across, along = column_of(low[0]), column_of(low[1])
        # Space repeats after `columns`: farther than that a face meets the same vertices again.
        wide, deep = wp.min(column_of(high[0]) - across, columns - 1), wp.min(column_of(high[1]) - along, columns - 1)
        for i in range(across, across + wide + 1):
            for j in range(along, along + deep + 1):
                v = column[b, place(i, j)]
                while v >= 0:
                    p = points[b, v]
                    beside = p[0] < low[0] or p[0] > high[0] or p[1] < low[1] or p[1] > high[1]
                    own = v == c[0] or v == c[1] or v == c[2]
                    if not (p[2] > high[2] or beside or own) and covers(c, x - p, y - p, z - p):
                        wp.atomic_add(above, b, h, v, 1)
                    v = following[b, v]

    @wp.func
    def first_hit(mesh: wp.uint64, root: int, origin: wp.vec3, along: wp.vec3) -> Hit:
        """The nearest face of one hand; `exit` is positive where the ray leaves that hand through it."""
        found = wp.mesh_query_ray(mesh, origin, along, reach, root)
        hit = Hit()
        hit.face = -1
        hit.distance = reach
        if found.result:
            hit.face = found.face
            hit.distance = found.t
            hit.exit = wp.dot(found.normal, along)
            hit.shares = wp.vec3(found.u, found.v, 1.0 - found.u - found.v)
        return hit

    @wp.func
    def way_out(mesh: wp.uint64, root: int, v: wp.vec3, normal: wp.vec3) -> Hit:
        """First face of one hand behind the vertex, else before it, through which a ray leaves that hand; face -1: none."""
        hit = first_hit(mesh, root, v - start * normal, -normal)
        if hit.face >= 0 and hit.exit > 0.0:
            return hit
        hit = first_hit(mesh, root, v + start * normal, normal)
        if hit.exit <= 0.0:
            hit.face = -1
        return hit

    @wp.func
    def nearer(a: Hit, b: Hit) -> Hit:
        if b.distance < a.distance:
            return b
        return a

    @wp.kernel(module="unique", enable_backward=False)
    def apart(
        mesh: wp.uint64,
        root: wp.array(dtype=int),
        pair_faces: int,
        points: wp.array2d(dtype=wp.vec3),
        normal: wp.array2d(dtype=wp.vec3),
        open: wp.array2d(dtype=wp.uint8),
        above: wp.array3d(dtype=int),
        face: wp.array2d(dtype=int),
        shares: wp.array2d(dtype=wp.vec3),
    ):
        """A vertex inside the other hand is measured against that alone, else one inside its own hand against its own."""
        b, i = wp.tid()
        half = points.shape[1] // 2
        h = i // half
        face[b, i] = -1
        if i % half == half - 1:
            return
        hit = Hit()
        hit.face = -1
        if above[b, 1 - h, i] % 2 == 1:
            hit = way_out(mesh, root[2 * b + 1 - h], points[b, i], normal[b, i])
        elif above[b, h, i] % 2 == 1 and open[b, i] == wp.uint8(1):
            hit = way_out(mesh, root[2 * b + h], points[b, i], normal[b, i])
        if hit.face >= 0:
            face[b, i] = hit.face - b * pair_faces
            shares[b, i] = hit.shares

    @wp.kernel(module="unique", enable_backward=False)
    def literal(
        mesh: wp.uint64,
        root: wp.array(dtype=int),
        pair_faces: int,
        points: wp.array2d(dtype=wp.vec3),
        normal: wp.array2d(dtype=wp.vec3),
        open: wp.array2d(dtype=wp.uint8),
        above: wp.array3d(dtype=int),
        face: wp.array2d(dtype=int),
        shares: wp.array2d(dtype=wp.vec3),
    ):
        """Appendix D's steps 1 to 5 over both hands as one mesh."""
        b, i = wp.tid()
        half = points.shape[1] // 2
        face[b, i] = -1
        if i % half == half - 1 or open[b, i] == wp.uint8(0) or (above[b, 0, i] + above[b, 1, i]) % 2 == 0:
            return
        v, n = points[b, i], normal[b, i]
        right, left_hand = root[2 * b], root[2 * b + 1]
        before, behind = v + start * n, v - start * n
        hit = nearer(first_hit(mesh, right, behind, -n), first_hit(mesh, left_hand, behind, -n))
        if hit.face < 0 or hit.exit <= 0.0:
            hit = nearer(first_hit(mesh, right, before, n), first_hit(mesh, left_hand, before, n))
            if hit.exit >= 0.0:
                return
        if hit.face >= 0:
            face[b, i] = hit.face - b * pair_faces
            shares[b, i] = hit.shares

    return {"roots": roots, "sort": sort, "cross": cross, "apart": apart, "literal": literal}
