// Hash encoding in C++/OpenMP, as fast as straightforward native code gets: the limit that
// effbench's numba kernels are compared with. Same layout as effbench/kernels/hash_encoding.py.
#include <algorithm>
#include <cstdint>

namespace {

struct Level {
    float scale;
    uint32_t stride, mask;
    bool dense;
    int64_t first;
};

struct Cell {
    uint32_t x, y, z;
    float fx, fy, fz;
    bool operator==(const Cell& o) const { return x == o.x && y == o.y && z == o.z; }
};

inline Cell cell_of(const float* p, float scale) {
    const float x = p[0] * scale + 0.5f, y = p[1] * scale + 0.5f, z = p[2] * scale + 0.5f;
    const int32_t cx = int32_t(x), cy = int32_t(y), cz = int32_t(z);
    return {uint32_t(cx), uint32_t(cy), uint32_t(cz), x - cx, y - cy, z - cz};
}

template <bool dense>
inline void rows_of(const Cell& c, const Level& level, uint32_t rows[8]) {
    const uint32_t a = dense ? level.stride : 2654435761u;
    const uint32_t b = dense ? level.stride * level.stride : 805459861u;
    const uint32_t y[2] = {c.y * a, c.y * a + a}, z[2] = {c.z * b, c.z * b + b};
    for (int k = 0; k < 8; ++k) {
        const uint32_t x = c.x + (k & 1), u = y[k >> 1 & 1], v = z[k >> 2];
        rows[k] = dense ? x + u + v : (x ^ u ^ v) & level.mask;
    }
}

inline void weights_of(const Cell& c, float weights[8]) {
    for (int k = 0; k < 8; ++k)
        weights[k] = (k & 1 ? c.fx : 1 - c.fx) * (k >> 1 & 1 ? c.fy : 1 - c.fy) *
                     (k >> 2 ? c.fz : 1 - c.fz);
}

template <bool dense>
void forward_level(int64_t start, int64_t stop, int64_t levels, int64_t l, const Level& level,
                   const float* points, const float* table, float* features) {
    const float* rows = table + 2 * level.first;
    for (int64_t i = start; i < stop; ++i) {
        const Cell c = cell_of(points + 3 * i, level.scale);
        uint32_t r[8];
        float w[8], u = 0, v = 0;
        rows_of<dense>(c, level, r);
        weights_of(c, w);
        for (int k = 0; k < 8; ++k) {
            u += w[k] * rows[2 * r[k]];
            v += w[k] * rows[2 * r[k] + 1];
        }
        features[2 * levels * i + 2 * l] = u;
        features[2 * levels * i + 2 * l + 1] = v;
    }
}

template <bool dense>
void backward_level(int64_t count, int64_t levels, int64_t l, const Level& level,
                    const float* points, const float* upstream, float* grad) {
    float* rows = grad + 2 * level.first;
    float u[8] = {}, v[8] = {};
    Cell run{};
    auto flush = [&] {
        uint32_t r[8];
        rows_of<dense>(run, level, r);
        for (int k = 0; k < 8; ++k) {
            rows[2 * r[k]] += u[k];
            rows[2 * r[k] + 1] += v[k];
            u[k] = v[k] = 0;
        }
    };
    for (int64_t i = 0; i < count; ++i) {
        const Cell c = cell_of(points + 3 * i, level.scale);
        if (i > 0 && !(c == run)) flush();
        run = c;
        float w[8];
        weights_of(c, w);
        const float* g = upstream + 2 * levels * i + 2 * l;
        for (int k = 0; k < 8; ++k) {
            u[k] += w[k] * g[0];
            v[k] += w[k] * g[1];
        }
    }
    if (count) flush();
}

Level level_at(int64_t l, const float* scales, const uint32_t* strides, const uint8_t* dense,
               const int64_t* offsets) {
    return {scales[l], strides[l], uint32_t(offsets[l + 1] - offsets[l] - 1), bool(dense[l]),
            offsets[l]};
}

}  // namespace

extern "C" void encode_forward(int64_t count, int64_t levels, const float* scales,
                               const uint32_t* strides, const uint8_t* dense,
                               const int64_t* offsets, const float* points, const float* table,
                               float* features) {
    const int64_t chunk = 4096, chunks = (count + chunk - 1) / chunk;
#pragma omp parallel for schedule(dynamic)
    for (int64_t c = 0; c < chunks; ++c)
        for (int64_t l = 0; l < levels; ++l) {
            const Level level = level_at(l, scales, strides, dense, offsets);
            const int64_t start = c * chunk, stop = std::min(count, start + chunk);
            auto run = level.dense ? forward_level<true> : forward_level<false>;
            run(start, stop, levels, l, level, points, table, features);
        }
}

extern "C" void encode_backward(int64_t count, int64_t levels, const float* scales,
                                const uint32_t* strides, const uint8_t* dense,
                                const int64_t* offsets, const float* points,
                                const float* upstream, float* grad) {
#pragma omp parallel for schedule(dynamic)
    for (int64_t l = 0; l < levels; ++l) {
        const Level level = level_at(l, scales, strides, dense, offsets);
        auto run = level.dense ? backward_level<true> : backward_level<false>;
        run(count, levels, l, level, points, upstream, grad);
    }
}
