"""What many cameras see of many poses, measured one view after another in compiled loops.

A view is a loop over the vertices of both arms and, unless they already decide, over their triangles: each is tested at
the centres of the few small pixels inside its own bounds. Whether a ray through a pixel's centre meets a triangle is
decided on the image plane, so what is counted is what rays would find. Operations follow in a fixed order, so a view
comes out to the same bits in any batch.

The bodies are C++ because they live on vectors of eight numbers, which Warp's own language has not; Warp compiles them for
the machine at hand.

Letters: p poses, n views, w vertices (padded to whole vectors), f triangles, s pixels of the small view.
"""

from functools import lru_cache
from typing import no_type_check

import warp as wp

LANES = 8
"""Numbers in a vector: vertices are padded to a multiple of it."""

_POSE = """
    typedef double many __attribute__((ext_vector_type(8), aligned(8)));
    const int count = weights.shape[1], joints = weights.shape[0], total = vertices.shape[2];
    const double *move = moves.data + (size_t)n * moves.shape[1], *maps = transforms.data + (size_t)n * joints * 12;
    double* out = vertices.data + (size_t)n * 3 * total + offset;
    for (int i = 0; i < count; i += 8) {
        many at[3], map[12];
        for (int c = 0; c < 3; c++) {
            at[c] = *(const many*)(rest.data + c * count + i);
            for (int k = 0; k < moves.shape[1]; k++)
                at[c] += move[k] * *(const many*)(rest.data + ((k + 1) * 3 + c) * count + i);
        }
        for (int e = 0; e < 12; e++) map[e] = 0;
        for (int j = 0; j < joints; j++) {
            const many weight = *(const many*)(weights.data + j * count + i);
            for (int e = 0; e < 12; e++) map[e] += weight * maps[j * 12 + e];
        }
        for (int c = 0; c < 3; c++) {
            const many* row = map + 4 * c;
            *(many*)(out + c * total + i) = row[0] * at[0] + row[1] * at[1] + row[2] * at[2] + row[3];
        }
    }
"""

_VERTICES = """
    typedef double many __attribute__((ext_vector_type(8), aligned(8)));
    typedef decltype(many() < many()) whole __attribute__((aligned(8)));
    const int count = vertices.shape[2];
    const double* px = vertices.data + (size_t)pose.data[n] * 3 * count;
    const double *py = px + count, *pz = py + count;
    const double* r = turn.data + 9 * n;
"""

_FIT = (
    _VERTICES
    + """
    const double* s = target.data + 3 * n;
    many far = -1e30, near = 1e30;
    for (int i = 0; i < count; i += 8) {
        const many x = *(const many*)(px + i) - s[0], y = *(const many*)(py + i) - s[1];
        const many z = *(const many*)(pz + i) - s[2];
        const many across = __builtin_elementwise_abs(r[0] * x + r[1] * y + r[2] * z) * steep.data[2 * n];
        const many along = __builtin_elementwise_abs(r[3] * x + r[4] * y + r[5] * z) * steep.data[2 * n + 1];
        const many deep = r[6] * x + r[7] * y + r[8] * z;
        const whole hand = *(const whole*)(owner.data + i) != 0;
        const many asked = __builtin_elementwise_max(across, along) - deep;
        far = hand ? __builtin_elementwise_max(far, asked) : far;
        near = hand ? __builtin_elementwise_min(near, deep) : near;
    }
    double distance = -1e30;
    for (int k = 0; k < 8; k++) {
        distance = far[k] > distance ? far[k] : distance;
        distance = closest - near[k] > distance ? closest - near[k] : distance;
    }
    return distance;
"""
)

_JUDGE = (
    _VERTICES
    + """
    typedef float four __attribute__((ext_vector_type(4), aligned(4)));
    typedef float eight __attribute__((ext_vector_type(8), aligned(4)));
    typedef decltype(eight() < eight()) flags __attribute__((aligned(4)));
    const double* t = shift.data + 3 * n;
    const double f = focal.data[n], scale = columns / (double)width;
    const double unsafe = 0.02;  // metres: before it the image plane is no place to compare triangles
    four* bounds = (four*)(scratch.data + (size_t)lane * scratch.shape[1]);  // x, y, -x, -y in small pixels
    float* nearness = (float*)(bounds + count);                              // 1 / depth

    // Vertices: distances, what is inside the image, places in the small view and each hand's bounds there
    many nearest = 1e30, ahead = 1e30, hands_ahead = 1e30, edges[2][4];
    for (int h = 0; h < 2; h++)
        for (int k = 0; k < 4; k++) edges[h][k] = -1e30;
    whole inside[2] = {0, 0};
    for (int i = 0; i < count; i += 8) {
        const many wx = *(const many*)(px + i), wy = *(const many*)(py + i), wz = *(const many*)(pz + i);
        const many x = r[0] * wx + r[1] * wy + r[2] * wz + t[0];
        const many y = r[3] * wx + r[4] * wy + r[5] * wz + t[1];
        const many z = r[6] * wx + r[7] * wy + r[8] * wz + t[2];
        const many over = 1.0 / z, u = f * x * over + width / 2.0, v = f * y * over + height / 2.0;
        const many side[4] = {u * scale, v * scale, -u * scale, -v * scale};
        nearest = __builtin_elementwise_min(nearest, x * x + y * y + z * z);
        ahead = __builtin_elementwise_min(ahead, z);
        const whole who = *(const whole*)(owner.data + i);
        hands_ahead = who != 0 ? __builtin_elementwise_min(hands_ahead, z) : hands_ahead;
        const whole within = (u >= 0.0) & (v >= 0.0) & (u < width) & (v < height) & (z > 0.0);
        for (int h = 0; h < 2; h++) {
            const whole mine = who == h + 1;
            inside[h] -= within & mine;
            for (int k = 0; k < 4; k++) edges[h][k] = mine ? __builtin_elementwise_max(edges[h][k], side[k]) : edges[h][k];
        }
        for (int k = 0; k < 8; k++) {
            bounds[i + k] = (four){(float)side[0][k], (float)side[1][k], (float)side[2][k], (float)side[3][k]};
            nearness[i + k] = (float)over[k];
        }
    }
    double least = 1e30, front = 1e30, hands_front = 1e30, box[2][4];
    for (int k = 0; k < 8; k++) {
        least = nearest[k] < least ? nearest[k] : least;
        front = ahead[k] < front ? ahead[k] : front;
        hands_front = hands_ahead[k] < hands_front ? hands_ahead[k] : hands_front;
    }
    least = sqrt(least);
    if (least < clearance) { value.data[n] = least; return 1; }
    for (int h = 0; h < 2; h++) {
        long within = 0;
        for (int k = 0; k < 8; k++) within += inside[h][k];
        for (int j = 0; j < 4; j++) {
            box[h][j] = -1e30;
            for (int k = 0; k < 8; k++) box[h][j] = edges[h][j][k] > box[h][j] ? edges[h][j][k] : box[h][j];
        }
        const double share = (double)within / (h ? left_size : right_size);
        if (share < min_inside) { value.data[n] = share; return 2 + h; }
    }

    // A pass marks the small pixels of a window, every third row: the first surface there, and the hands' own outlines
    const int pitch = (columns + 7) & ~7, pixels = rows * pitch;
    four* reach = (four*)(nearness + count);
    int *met = (int*)(reach + kind.shape[0] + 8), *outline = met + kind.shape[0] + 8;
    int* surface = outline + pixels;  // bits of the greatest nearness so far, with the face's kind as the last two
    for (int i = 0; i < 2 * pixels; i++) outline[i] = 0;
    const bool safe = front > unsafe, bounded = hands_front > 0;
    auto mark_across = [&](const int i, const int step, const int from) {  // a triangle without bounds on the image
        double at[3][3], cross[3][3], volume = 0;
        int beyond[4] = {0, 0, 0, 0};
        for (int k = 0; k < 3; k++) {
            const int v = faces.data[3 * i + k];
            for (int j = 0; j < 3; j++) at[k][j] = r[3 * j] * px[v] + r[3 * j + 1] * py[v] + r[3 * j + 2] * pz[v] + t[j];
            const double x = f * at[k][0], y = f * at[k][1], w = width / 2.0 * at[k][2], h = height / 2.0 * at[k][2];
            beyond[0] += x < -w;
            beyond[1] += -x < -w;
            beyond[2] += y < -h;
            beyond[3] += -y < -h;
        }
        if (beyond[0] == 3 || beyond[1] == 3 || beyond[2] == 3 || beyond[3] == 3) return;
        for (int k = 0; k < 3; k++) {
            const double *p = at[(k + 1) % 3], *q = at[(k + 2) % 3];
            cross[k][0] = p[1] * q[2] - p[2] * q[1];
            cross[k][1] = p[2] * q[0] - p[0] * q[2];
            cross[k][2] = p[0] * q[1] - p[1] * q[0];
        }
        for (int j = 0; j < 3; j++) volume += at[0][j] * cross[0][j];
        for (int y = from; y < rows; y += step)
            for (int x = 0; x < columns; x++) {
                const double dx = (x + 0.5 - scale * width / 2.0) / (f * scale);
                const double dy = (y + 0.5 - scale * height / 2.0) / (f * scale);
                double e[3];
                for (int k = 0; k < 3; k++) e[k] = cross[k][0] * dx + cross[k][1] * dy + cross[k][2];
                const bool hit = (e[0] >= 0 && e[1] >= 0 && e[2] >= 0) || (e[0] <= 0 && e[1] <= 0 && e[2] <= 0);
                const float near = (float)((e[0] + e[1] + e[2]) / volume);
                const int pixel = y * pitch + x;
                if (!hit || !(near > 0)) continue;
                outline[pixel] |= kind.data[i];
                int bits;
                memcpy(&bits, &near, 4);
                bits = (bits & ~3) | kind.data[i];
                surface[pixel] = bits > surface[pixel] ? bits : surface[pixel];
            }
    };
    auto mark = [&](const int left, const int top, const int right, const int bottom, const int step, const int from) {
        const eight steps = {0, 1, 2, 3, 4, 5, 6, 7};
        const four scales = {1, 1.0f / step, 1, 1.0f / step};
        const four rounding = {-0.5f, -(from + 0.5f) / step, 0.5f, (from + 0.5f) / step};
        const float first = (top - from + step - 1) / step, last = (bottom - from + step) / step - 1;  // of its rows
        int found = 0;
        for (int i = 0; i < kind.shape[0]; i++) {
            const int a = faces.data[3 * i], b = faces.data[3 * i + 1], c = faces.data[3 * i + 2];
            if (!safe) {
                const float limit = 1 / (float)unsafe, na = nearness[a], nb = nearness[b], nc = nearness[c];
                if (na < 0 && nb < 0 && nc < 0) continue;
                if (na < 0 || nb < 0 || nc < 0 || na > limit || nb > limit || nc > limit) {
                    mark_across(i, step, from);
                    continue;
                }
            }
            const four most = __builtin_elementwise_max(__builtin_elementwise_max(bounds[a], bounds[b]), bounds[c]);
            const four edge = __builtin_elementwise_floor(most * scales + rounding);
            met[found] = i;
            reach[found] = edge;
            found += (edge.x + edge.z >= 0) & (edge.y + edge.w >= 0) & (edge.x >= left) & (edge.y >= first) &
                     (-edge.z <= right) & (-edge.w <= last);
        }
        for (int m = found; m < found + 7; m++) met[m] = met[m ? m - 1 : 0], reach[m] = reach[m ? m - 1 : 0];
        for (int m = 0; m < found; m += 8) {  // eight triangles at once, then each one's pixels
            eight ax, ay, an, bx, by, bn, dx, dy, dn, low_x, low_y;
            for (int k = 0; k < 8; k++) {
                const int i = met[m + k], a = faces.data[3 * i], b = faces.data[3 * i + 1], c = faces.data[3 * i + 2];
                low_x[k] = -reach[m + k].z;
                low_y[k] = -reach[m + k].w;
                ax[k] = bounds[a].x, ay[k] = bounds[a].y, an[k] = nearness[a];
                bx[k] = bounds[b].x, by[k] = bounds[b].y, bn[k] = nearness[b];
                dx[k] = bounds[c].x, dy[k] = bounds[c].y, dn[k] = nearness[c];
            }
            low_x = __builtin_elementwise_max(low_x, (eight)((float)left));
            low_y = __builtin_elementwise_max(low_y, (eight)(first));
            const eight cx = low_x + 0.5f, cy = low_y * (float)step + (from + 0.5f);
            ax -= cx, bx -= cx, dx -= cx, ay -= cy, by -= cy, dy -= cy;
            // Twice the areas towards each side and the nearness are linear on the image: here, a step right, a step down
            const eight u = bx * dy - dx * by, v = dx * ay - ax * dy, w = ax * by - bx * ay, total = u + v + w;
            const eight turned = total < 0.0f ? (eight)(-1.0f) : (eight)(1.0f);
            const eight share = turned / (total == 0.0f ? (eight)(1e30f) : total);
            eight edge[4][3] = {
                {u, by - dy, dx - bx}, {v, dy - ay, ax - dx}, {w, ay - by, bx - ax}, {},
            };
            for (int j = 0; j < 3; j++) {
                for (int e = 0; e < 3; e++) edge[e][j] *= turned;
                edge[3][j] = (edge[0][j] * an + edge[1][j] * bn + edge[2][j] * dn) * share;
            }
            for (int k = 0; k < 8 && m + k < found; k++) {
                const float high_x = reach[m + k].x < right ? reach[m + k].x : right;
                const float high_y = reach[m + k].y < last ? reach[m + k].y : last;
                const int x0 = (int)low_x[k], x1 = (int)high_x, y0 = (int)low_y[k], y1 = (int)high_y;
                const int mine = kind.data[met[m + k]];
                for (int y = y0; y <= y1; y++)
                    for (int x = x0 & ~7; x <= x1; x += 8) {  // what was just stored is loaded again as it is
                        const float over = x - x0, down = (y - y0) * step;
                        const eight along = steps + over;
                        eight here[4];
                        for (int e = 0; e < 4; e++) here[e] = edge[e][0][k] + edge[e][2][k] * down + edge[e][1][k] * along;
                        const flags hit = (here[0] >= 0.0f) & (here[1] >= 0.0f) & (here[2] >= 0.0f);
                        const int at = (y * step + from) * pitch + x;
                        flags *known = (flags*)(surface + at), *shapes = (flags*)(outline + at);
                        *known = __builtin_elementwise_max(*known, hit & (((flags)here[3] & ~3) | mine));
                        *shapes |= hit & mine;
                    }
            }
        }
    };

    // The forearms' ends: no hand may be missing before one. Those outside both hands' bounds need no look
    int seen = 0, window[4] = {columns, rows, -1, -1};
    for (int i = first_end; i < last_end; i++) {
        if (nearness[i] > 0 && bounds[i].x >= 0 && bounds[i].y >= 0 && bounds[i].x < columns && bounds[i].y < rows) {
            const int column = (int)bounds[i].x, row = (int)bounds[i].y;
            seen++;
            bool maybe = !bounded;
            const double x = column + 0.5, y = row + 0.5;
            for (int h = 0; h < 2; h++) maybe |= x <= box[h][0] && y <= box[h][1] && -x <= box[h][2] && -y <= box[h][3];
            if (!maybe) continue;
            window[0] = column < window[0] ? column : window[0];
            window[1] = row < window[1] ? row : window[1];
            window[2] = column > window[2] ? column : window[2];
            window[3] = row > window[3] ? row : window[3];
        }
    }
    if (seen) {
        if (window[2] >= 0) mark(window[0], window[1], window[2], window[3], 1, 0);
        int open = 0;
        for (int i = first_end; i < last_end; i++) {
            const float x = bounds[i].x, y = bounds[i].y;
            if (nearness[i] > 0 && x >= 0 && y >= 0 && x < columns && y < rows)
                open += (surface[(int)y * pitch + (int)x] & 3) == 0;
        }
        if (open) { value.data[n] = (double)open / (last_end - first_end); return 4; }
    }

    // Every third row of pixels is mostly enough to be sure of a good view: else more of them, at last all
    const int order[3] = {1, 0, 2};
    double area, visible[2];
    for (int pass = 0; pass < 3; pass++) {
        mark(0, 0, columns - 1, rows - 1, 3, order[pass]);
        int shown[2] = {0, 0}, all[2] = {0, 0};
        for (int y = 0; y < rows; y++) {
            bool done = false;
            for (int k = 0; k <= pass; k++) done |= y % 3 == order[k];
            if (!done) continue;
            for (int x = 0; x < columns; x++) {
                shown[0] += (surface[y * pitch + x] & 3) == 1;
                shown[1] += (surface[y * pitch + x] & 3) == 2;
                all[0] += outline[y * pitch + x] & 1;
                all[1] += outline[y * pitch + x] >> 1;
            }
        }
        for (int h = 0; h < 2 && pass < 2; h++) {  // rows that are left may be all outline, and none of it seen
            int wide = 0, high = 0;
            for (int x = 0; x < columns; x++) wide += !bounded || (x + 0.5 <= box[h][0] && -x - 0.5 <= box[h][2]);
            for (int y = 0; y < rows; y++) {
                bool left = y % 3 != order[0] && (pass == 0 || y % 3 != order[1]);
                high += left && (!bounded || (y + 0.5 <= box[h][1] && -y - 0.5 <= box[h][3]));
            }
            all[h] += wide * high;
        }
        area = (double)(shown[0] + shown[1]) / (rows * columns);
        for (int h = 0; h < 2; h++) visible[h] = (double)shown[h] / (all[h] ? all[h] : 1);
        if (area >= min_area && visible[0] >= min_visible && visible[1] >= min_visible) return 0;
    }
    if (area < min_area) { value.data[n] = area; return 5; }
    const int h = visible[0] < min_visible ? 0 : 1;
    value.data[n] = visible[h];
    return 6 + h;
"""
)


def scratch_size(vertices: int, faces: int, columns: int, rows: int) -> int:
    """Floats that `judge` works with: five a vertex, five a face and as many more, two a pixel of padded rows."""
    return 5 * vertices + 5 * (faces + LANES) + 2 * rows * (columns + LANES)


@lru_cache
@no_type_check
def kernels() -> dict[str, wp.Kernel]:
    """`pose`, `fit` and `judge`, compiled at their first launch and kept in Warp's cache."""

    @wp.func_native(_POSE)
    def pose_one(
        n: int,
        rest: wp.array3d(dtype=wp.float64),
        weights: wp.array2d(dtype=wp.float64),
        moves: wp.array2d(dtype=wp.float64),
        transforms: wp.array3d(dtype=wp.float64),
        offset: int,
        vertices: wp.array3d(dtype=wp.float64),
    ): ...

    @wp.func_native(_FIT)
    def distance_of(
        n: int,
        pose: wp.array(dtype=int),
        turn: wp.array3d(dtype=wp.float64),
        target: wp.array2d(dtype=wp.float64),
        steep: wp.array2d(dtype=wp.float64),
        closest: wp.float64,
        vertices: wp.array3d(dtype=wp.float64),
        owner: wp.array(dtype=wp.int64),
    ) -> wp.float64: ...

    @wp.func_native(_JUDGE)
    def reason_of(
        n: int,
        lane: int,
        pose: wp.array(dtype=int),
        turn: wp.array3d(dtype=wp.float64),
        shift: wp.array2d(dtype=wp.float64),
        focal: wp.array(dtype=wp.float64),
        width: int,
        height: int,
        columns: int,
        rows: int,
        vertices: wp.array3d(dtype=wp.float64),
        owner: wp.array(dtype=wp.int64),
        right_size: int,
        left_size: int,
        first_end: int,
        last_end: int,
        faces: wp.array2d(dtype=int),
        kind: wp.array(dtype=int),
        clearance: wp.float64,
        min_inside: wp.float64,
        min_visible: wp.float64,
        min_area: wp.float64,
        scratch: wp.array2d(dtype=float),
        value: wp.array(dtype=wp.float64),
    ) -> int: ...

    @wp.kernel(module="unique", enable_backward=False)
    def pose(
        rest: wp.array3d(dtype=wp.float64),
        weights: wp.array2d(dtype=wp.float64),
        moves: wp.array2d(dtype=wp.float64),
        transforms: wp.array3d(dtype=wp.float64),
        offset: int,
        vertices: wp.array3d(dtype=wp.float64),
    ):
        pose_one(wp.tid(), rest, weights, moves, transforms, offset, vertices)

    @wp.kernel(module="unique", enable_backward=False)
    def fit(
        pose: wp.array(dtype=int),
        turn: wp.array3d(dtype=wp.float64),
        target: wp.array2d(dtype=wp.float64),
        steep: wp.array2d(dtype=wp.float64),
        closest: wp.float64,
        vertices: wp.array3d(dtype=wp.float64),
        owner: wp.array(dtype=wp.int64),
        distance: wp.array(dtype=wp.float64),
    ):
        n = wp.tid()
        distance[n] = distance_of(n, pose, turn, target, steep, closest, vertices, owner)

    @wp.kernel(module="unique", enable_backward=False)
    def judge(
        pose: wp.array(dtype=int),
        turn: wp.array3d(dtype=wp.float64),
        shift: wp.array2d(dtype=wp.float64),
        focal: wp.array(dtype=wp.float64),
        width: int,
        height: int,
        columns: int,
        rows: int,
        vertices: wp.array3d(dtype=wp.float64),
        owner: wp.array(dtype=wp.int64),
        right_size: int,
        left_size: int,
        first_end: int,
        last_end: int,
        faces: wp.array2d(dtype=int),
        kind: wp.array(dtype=int),
        clearance: wp.float64,
        min_inside: wp.float64,
        min_visible: wp.float64,
        min_area: wp.float64,
        scratch: wp.array2d(dtype=float),
        reason: wp.array(dtype=int),
        value: wp.array(dtype=wp.float64),
    ):
        lane = wp.tid()
        for n in range(lane, pose.shape[0], scratch.shape[0]):
            reason[n] = reason_of(
                n, lane, pose, turn, shift, focal, width, height, columns, rows, vertices, owner, right_size,
                left_size, first_end, last_end, faces, kind, clearance, min_inside, min_visible, min_area, scratch,
                value,
            )  # fmt: skip

    return {"pose": pose, "fit": fit, "judge": judge}
