"""Warp kernels of `hands.penetration`, for float32 and float64.

`box` and `bound` put boxes and balls around the posed parts, clusters and triangles; `search` uses them. Arrays are
`[b 2 …]`: pose, hand, then vertices, parts, clusters or triangles. A ball is (x, y, z, radius).
"""

from functools import lru_cache
from typing import no_type_check

import warp as wp


@lru_cache
@no_type_check
def closest_point(real: type) -> wp.Function:
    """A Warp function: barycentric coordinates of the point of triangle a, b, c closest to p."""
    vec3 = wp.types.vector(3, real)

    @wp.func
    def closest(p: vec3, a: vec3, b: vec3, c: vec3) -> vec3:
        zero, one = real(0.0), real(1.0)
        ab, ac = b - a, c - a
        d1, d2 = wp.dot(ab, p - a), wp.dot(ac, p - a)
        if d1 <= zero and d2 <= zero:
            return vec3(one, zero, zero)
        d3, d4 = wp.dot(ab, p - b), wp.dot(ac, p - b)
        if d3 >= zero and d4 <= d3:
            return vec3(zero, one, zero)
        vc = d1 * d4 - d3 * d2
        if vc <= zero and d1 >= zero and d3 <= zero:
            return vec3(one - d1 / (d1 - d3), d1 / (d1 - d3), zero)
        d5, d6 = wp.dot(ab, p - c), wp.dot(ac, p - c)
        if d6 >= zero and d5 <= d6:
            return vec3(zero, zero, one)
        vb = d5 * d2 - d1 * d6
        if vb <= zero and d2 >= zero and d6 <= zero:
            return vec3(one - d2 / (d2 - d6), zero, d2 / (d2 - d6))
        va = d3 * d6 - d5 * d4
        if va <= zero and d4 - d3 >= zero and d5 - d6 >= zero:
            along = (d4 - d3) / ((d4 - d3) + (d5 - d6))
            return vec3(zero, one - along, along)
        return vec3(va, vb, vc) / (va + vb + vc)

    return closest


@lru_cache
@no_type_check
def kernels(real: type) -> dict[str, wp.Kernel]:  # noqa: C901 - a namespace for functions of one precision
    """`box`, `bound`, and the searches of the whole `hand` and of its `parts`."""
    vec3, vec4 = wp.types.vector(3, real), wp.types.vector(4, real)
    mat33 = wp.types.matrix((3, 3), real)
    closest = closest_point(real)
    same, slack = wp.constant(real(1.0e-5)), wp.constant(real(1.0e-5))

    @wp.func
    def unbounded() -> real:
        """A fresh number above every distance; a shared constant would be changed with the variable that starts from it."""
        return real(1.0e6)

    @wp.func
    def nothing() -> int:
        """A fresh -1: no triangle."""
        return -1

    @wp.func
    def meets(p: vec3, ball: vec4, reach: real) -> bool:
        """Whether a ball comes within `reach` of p."""
        away = p - vec3(ball[0], ball[1], ball[2])
        return wp.dot(away, away) < (reach + ball[3]) * (reach + ball[3])

    @wp.func
    def ball_around(centre: vec3, radius: real) -> vec4:
        return vec4(centre[0], centre[1], centre[2], radius + slack)

    @wp.kernel(module="unique", enable_backward=False)
    def step(before: wp.array3d(dtype=vec3), posed: wp.array3d(dtype=vec3), longest: wp.array2d(dtype=real)):
        """Largest distance that a vertex of each hand has moved."""
        b, h, v = wp.tid()
        wp.atomic_max(longest, b, h, wp.length(posed[b, h, v] - before[b, h, v]))

    @wp.kernel(module="unique", enable_backward=False)
    def box(
        box_first: wp.array2d(dtype=int),
        box_vertex: wp.array2d(dtype=int),
        posed: wp.array3d(dtype=vec3),
        linear: wp.array3d(dtype=mat33),
        lowest: wp.array3d(dtype=vec3),
        highest: wp.array3d(dtype=vec3),
        box_ball: wp.array3d(dtype=vec4),
        world_low: wp.array3d(dtype=vec3),
        world_high: wp.array3d(dtype=vec3),
    ):
        """Boxes around the closed parts, upright in each part's own frame and in the world, and balls around the former."""
        b, h, part = wp.tid()
        upright = wp.transpose(linear[b, h, part])
        low, high = vec3(unbounded()), vec3(-unbounded())
        least, most = vec3(unbounded()), vec3(-unbounded())
        for i in range(box_first[h, part], box_first[h, part + 1]):
            point = posed[b, h, box_vertex[h, i]]
            at = upright * point
            low = wp.min(low, at)
            high = wp.max(high, at)
            least = wp.min(least, point)
            most = wp.max(most, point)
        world_low[b, h, part] = least - vec3(slack)
        world_high[b, h, part] = most + vec3(slack)
        lowest[b, h, part] = low - vec3(slack)
        highest[b, h, part] = high + vec3(slack)
        middle = linear[b, h, part] * ((low + high) * real(0.5))
        box_ball[b, h, part] = ball_around(middle, wp.length(high - low) * real(0.5))

    @wp.kernel(module="unique", enable_backward=False)
    def bound(
        part_first: wp.array2d(dtype=int),
        cluster_first: wp.array2d(dtype=int),
        triangle: wp.array2d(dtype=wp.vec3i),
        posed: wp.array3d(dtype=vec3),
        part_ball: wp.array3d(dtype=vec4),
        cluster_ball: wp.array3d(dtype=vec4),
        triangle_ball: wp.array3d(dtype=vec4),
    ):
        """Balls around triangles, around clusters of them, and around parts."""
        b, h, part = wp.tid()
        whole = vec3()
        count = real(0.0)
        for c in range(part_first[h, part], part_first[h, part + 1]):
            first, last = cluster_first[h, c], cluster_first[h, c + 1]
            middle = vec3()
            for t in range(first, last):
                corners = triangle[h, t]
                x, y, z = posed[b, h, corners[0]], posed[b, h, corners[1]], posed[b, h, corners[2]]
                at = (x + y + z) / real(3.0)
                triangle_ball[b, h, t] = ball_around(
                    at, wp.max(wp.length(x - at), wp.max(wp.length(y - at), wp.length(z - at)))
                )
                middle += at
            middle = middle / real(last - first)
            radius = real(0.0)
            for t in range(first, last):
                ball = triangle_ball[b, h, t]
                radius = wp.max(radius, wp.length(vec3(ball[0], ball[1], ball[2]) - middle) + ball[3])
            cluster_ball[b, h, c] = ball_around(middle, radius)
            whole += middle
            count += real(1.0)
        whole = whole / count
        reach = real(0.0)
        for c in range(part_first[h, part], part_first[h, part + 1]):
            ball = cluster_ball[b, h, c]
            reach = wp.max(reach, wp.length(vec3(ball[0], ball[1], ball[2]) - whole) + ball[3])
        part_ball[b, h, part] = ball_around(whole, reach)

    @wp.func
    def boxed(
        p: vec3,
        ball: vec4,
        linear: mat33,
        lowest: vec3,
        highest: vec3,
    ) -> bool:
        """Whether p is in the box around a closed part: only then can it be inside that part."""
        if not meets(p, ball, real(0.0)):
            return False
        at = wp.transpose(linear) * p
        return wp.min(at - lowest) >= real(0.0) and wp.min(highest - at) >= real(0.0)

    @wp.func
    def centre_in_part(
        p: vec3,
        first: int,
        last: int,
        guess: int,
        bound: real,
        cluster_first: wp.array(dtype=int),
        cluster_ball: wp.array(dtype=vec4),
        triangle_ball: wp.array(dtype=vec4),
    ):
        """The triangle whose centre is nearest, and that distance, when below `bound`: a good first guess."""
        for c in range(first, last):
            if meets(p, cluster_ball[c], bound):
                for t in range(cluster_first[c], cluster_first[c + 1]):
                    ball = triangle_ball[t]
                    away = p - vec3(ball[0], ball[1], ball[2])
                    if wp.dot(away, away) < bound * bound:
                        guess, bound = t, wp.length(away)
        return guess, bound

    @wp.func
    def foot(p: vec3, corners: wp.vec3i, surface: wp.array(dtype=vec3)) -> vec3:
        """The point of a triangle closest to p."""
        x, y, z = surface[corners[0]], surface[corners[1]], surface[corners[2]]
        bary = closest(p, x, y, z)
        return bary[0] * x + bary[1] * y + bary[2] * z

    @wp.func
    def nearest_in_part(
        p: vec3,
        first: int,
        last: int,
        best: int,
        height: real,
        bound: real,
        cluster_first: wp.array(dtype=int),
        triangle: wp.array(dtype=wp.vec3i),
        surface: wp.array(dtype=vec3),
        cluster_ball: wp.array(dtype=vec4),
        triangle_ball: wp.array(dtype=vec4),
    ):
        """The triangle nearest to p, p's height above its plane, and its distance, when nearer than `bound`."""
        for c in range(first, last):
            if meets(p, cluster_ball[c], bound):
                for t in range(cluster_first[c], cluster_first[c + 1]):
                    if meets(p, triangle_ball[t], bound):
                        corners = triangle[t]
                        away = p - foot(p, corners, surface)
                        distance = wp.length(away)
                        if distance < bound * (real(1.0) + same):
                            x, y, z = surface[corners[0]], surface[corners[1]], surface[corners[2]]
                            above = wp.dot(away, wp.normalize(wp.cross(y - x, z - x)))
                            # On a shared edge or corner the triangle seen most squarely has the right sign.
                            if distance < bound * (real(1.0) - same) or wp.abs(above) > wp.abs(height):
                                best, height, bound = t, above, distance
        return best, height, bound

    @wp.func
    def sink(
        b: int,
        h: int,
        v: int,
        corners: wp.vec3i,
        posed: wp.array3d(dtype=vec3),
        depth: wp.array3d(dtype=real),
        slope: wp.array3d(dtype=vec3),
    ):
        """Adds the depth of vertex v below a triangle of the other hand, and its slopes."""
        o = 1 - h
        p = posed[b, h, v]
        x, y, z = posed[b, o, corners[0]], posed[b, o, corners[1]], posed[b, o, corners[2]]
        shares = closest(p, x, y, z)
        away = p - (shares[0] * x + shares[1] * y + shares[2] * z)
        inward = wp.normalize(away)
        depth[b, h, v] += wp.length(away)
        wp.atomic_add(slope, b, h, v, inward)
        for k in range(3):
            wp.atomic_add(slope, b, o, corners[k], -shares[k] * inward)

    @wp.kernel(module="unique", enable_backward=False)
    def search_hand(
        part_firsts: wp.array2d(dtype=int),
        cluster_firsts: wp.array2d(dtype=int),
        triangles: wp.array2d(dtype=wp.vec3i),
        low: wp.array2d(dtype=vec3),
        high: wp.array2d(dtype=vec3),
        posed: wp.array3d(dtype=vec3),
        linear: wp.array3d(dtype=mat33),
        lowest: wp.array3d(dtype=vec3),
        highest: wp.array3d(dtype=vec3),
        box_ball: wp.array3d(dtype=vec4),
        part_ball: wp.array3d(dtype=vec4),
        cluster_balls: wp.array3d(dtype=vec4),
        triangle_balls: wp.array3d(dtype=vec4),
        moved: wp.array(dtype=real),
        margin: wp.array3d(dtype=real),
        depth: wp.array3d(dtype=real),
        slope: wp.array3d(dtype=vec3),
    ):
        """Depth below the whole hand: boxes decide whether a vertex can be inside, then all parts in reach are searched.

        `margin` is how far each vertex was outside when last looked at, less what the hands have moved since: while it
        is positive there is nothing to look for.
        """
        b, h, v = wp.tid()
        margin[b, h, v] -= moved[b]
        if margin[b, h, v] > real(0.0):
            return
        o = 1 - h
        p = posed[b, h, v]
        margin[b, h, v] = wp.max(wp.max(low[b, o] - p), wp.max(p - high[b, o]))
        if margin[b, h, v] > real(0.0):
            return
        part_first, cluster_first, triangle = part_firsts[o], cluster_firsts[o], triangles[o]
        surface, cluster_ball, triangle_ball = posed[b, o], cluster_balls[b, o], triangle_balls[b, o]
        guess, bound = nothing(), unbounded()
        for part in range(lowest.shape[2]):
            if boxed(p, box_ball[b, o, part], linear[b, o, part], lowest[b, o, part], highest[b, o, part]):
                guess, bound = centre_in_part(
                    p, part_first[part], part_first[part + 1], guess, bound, cluster_first, cluster_ball, triangle_ball
                )
        if guess < 0:
            return
        best, height = nothing(), real(0.0)
        bound = wp.length(p - foot(p, triangle[guess], surface)) * real(1.001)
        for part in range(lowest.shape[2]):
            if meets(p, part_ball[b, o, part], bound):
                best, height, bound = nearest_in_part(
                    p, part_first[part], part_first[part + 1], best, height, bound,
                    cluster_first, triangle, surface, cluster_ball, triangle_ball,
                )  # fmt: skip
        if height < real(0.0):
            sink(b, h, v, triangle[best], posed, depth, slope)
        else:
            margin[b, h, v] = bound

    @wp.kernel(module="unique", enable_backward=False)
    def search_parts(
        part_firsts: wp.array2d(dtype=int),
        cluster_firsts: wp.array2d(dtype=int),
        triangles: wp.array2d(dtype=wp.vec3i),
        low: wp.array2d(dtype=vec3),
        high: wp.array2d(dtype=vec3),
        posed: wp.array3d(dtype=vec3),
        linear: wp.array3d(dtype=mat33),
        lowest: wp.array3d(dtype=vec3),
        highest: wp.array3d(dtype=vec3),
        box_ball: wp.array3d(dtype=vec4),
        part_ball: wp.array3d(dtype=vec4),
        cluster_balls: wp.array3d(dtype=vec4),
        triangle_balls: wp.array3d(dtype=vec4),
        depth: wp.array3d(dtype=real),
        slope: wp.array3d(dtype=vec3),
    ):
        """Depths below the closed parts, added up (Eq. 4)."""
        b, h, v = wp.tid()
        o = 1 - h
        p = posed[b, h, v]
        if wp.min(p - low[b, o]) < real(0.0) or wp.min(high[b, o] - p) < real(0.0):
            return
        part_first, cluster_first, triangle = part_firsts[o], cluster_firsts[o], triangles[o]
        surface, cluster_ball, triangle_ball = posed[b, o], cluster_balls[b, o], triangle_balls[b, o]
        for part in range(lowest.shape[2]):
            if boxed(p, box_ball[b, o, part], linear[b, o, part], lowest[b, o, part], highest[b, o, part]):
                first, last = part_first[part], part_first[part + 1]
                guess, bound = centre_in_part(
                    p, first, last, nothing(), unbounded(), cluster_first, cluster_ball, triangle_ball
                )
                bound = wp.length(p - foot(p, triangle[guess], surface)) * real(1.001)
                best, height, _ = nearest_in_part(
                    p, first, last, nothing(), real(0.0), bound,
                    cluster_first, triangle, surface, cluster_ball, triangle_ball,
                )  # fmt: skip
                if height < real(0.0):
                    sink(b, h, v, triangle[best], posed, depth, slope)

    return {"step": step, "box": box, "bound": bound, "hand": search_hand, "parts": search_parts}
