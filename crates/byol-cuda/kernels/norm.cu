// Batch norm over rows of channels, with addition, ReLU and the stem's max pool, in both directions.
//
// Rows lie in `groups` equal parts, each with statistics of its own. A block sweeps over a chunk of one group's rows and
// a tile of channels: `blockDim.x` vectors of channels by `blockDim.y` rows at a time; grid: chunks, groups, tiles. Sums
// of chunks go to memory and are added in a fixed order, so that equal inputs give equal bits.

// Rows of a group that this block's chunk begins and ends with.
struct Chunk {
    long long begin, end;
};

__device__ __forceinline__ Chunk chunk_of(long long rows_per_group) {
    long long size = (rows_per_group + gridDim.x - 1) / gridDim.x;
    long long begin = size * blockIdx.x;
    long long end = begin + size < rows_per_group ? begin + size : rows_per_group;
    return {begin, end};
}

// Adds two figures of every channel over the rows of a block, and writes them to `partial`, laid out
// [groups, chunks, 2, channels].
template <int V>
__device__ __forceinline__ void write_partial(
    float (&first)[V], float (&second)[V], int channel, bool inside, int channels, float* partial) {
    __shared__ float lanes[256 * 2];
#pragma unroll
    for (int i = 0; i < V; ++i) {
        int at = (threadIdx.y * blockDim.x + threadIdx.x) * 2;
        lanes[at] = first[i];
        lanes[at + 1] = second[i];
        __syncthreads();
        for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
            if (threadIdx.y < half) {
                int other = at + half * blockDim.x * 2;
                lanes[at] += lanes[other];
                lanes[at + 1] += lanes[other + 1];
            }
            __syncthreads();
        }
        if (threadIdx.y == 0 && inside) {
            float* to = partial + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * channels + channel + i;
            to[0] = lanes[at];
            to[channels] = lanes[at + 1];
        }
        __syncthreads();
    }
}

// Sums and sums of squares of x less the first row of its group, which keeps a far mean from spoiling the variance.
template <typename T, int V>
__device__ __forceinline__ void sums(const T* x, long long rows_per_group, int channels, float* partial) {
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    bool inside = channel < channels;
    float total[V] = {}, squares[V] = {}, shift[V] = {};
    if (inside) {
        const T* group = x + blockIdx.y * rows_per_group * channels + channel;
        load<T, V>(group, shift);
        Chunk chunk = chunk_of(rows_per_group);
#pragma unroll 4
        for (long long row = chunk.begin + threadIdx.y; row < chunk.end; row += blockDim.y) {
            float values[V];
            load<T, V>(group + row * channels, values);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                float value = values[i] - shift[i];
                total[i] += value;
                squares[i] += value * value;
            }
        }
    }
    write_partial<V>(total, squares, channel, inside, channels, partial);
}

// The sums of all chunks of a group and channel, for the threads with threadIdx.y == 0; a block has FINISHED channels by
// LANES chunks at a time, and adds the lanes' sums in a tree.
constexpr int FINISHED = 8, LANES = 128;

__device__ __forceinline__ void add_chunks(
    const float* partial, int group, int chunks, int channels, int channel, double& first, double& second) {
    __shared__ double lanes[LANES][FINISHED][2];
    first = second = 0.0;
    if (channel < channels) {
        for (int chunk = threadIdx.y; chunk < chunks; chunk += LANES) {
            const float* from = partial + ((long long)group * chunks + chunk) * 2 * channels + channel;
            first += from[0];
            second += from[channels];
        }
    }
    __syncthreads();
    lanes[threadIdx.y][threadIdx.x][0] = first;
    lanes[threadIdx.y][threadIdx.x][1] = second;
    __syncthreads();
    for (unsigned half = LANES / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
            lanes[threadIdx.y][threadIdx.x][0] += lanes[threadIdx.y + half][threadIdx.x][0];
            lanes[threadIdx.y][threadIdx.x][1] += lanes[threadIdx.y + half][threadIdx.x][1];
        }
        __syncthreads();
    }
    first = lanes[0][threadIdx.x][0];
    second = lanes[0][threadIdx.x][1];
}

// Figures of a batch norm from its sums, [groups, channels] each: mean, 1 / deviation, and y = x * scale + shift. The
// running statistics take their share of each group's, one after the other, variances without bias.
template <typename T>
__device__ __forceinline__ void finish(
    const float* partial, const T* x, long long rows_per_group, int groups, int chunks, int channels,
    const float* weight, const float* bias, float* running_mean, float* running_variance, float momentum,
    float epsilon, float* mean, float* inverse, float* scale, float* shift) {
    int channel = blockIdx.x * FINISHED + threadIdx.x;
    for (int group = 0; group < groups; ++group) {
        double total, squares;
        add_chunks(partial, group, chunks, channels, channel, total, squares);
        if (threadIdx.y == 0 && channel < channels) {
            double rows = (double)rows_per_group;
            double first_row = widen(x[group * rows_per_group * channels + channel]);
            double center = total / rows;
            double variance = squares / rows - center * center;
            variance = variance < 0.0 ? 0.0 : variance;
            double middle = first_row + center;
            double factor = 1.0 / sqrt(variance + (double)epsilon);
            int at = group * channels + channel;
            mean[at] = (float)middle;
            inverse[at] = (float)factor;
            double gain = weight[channel] * factor;
            scale[at] = (float)gain;
            shift[at] = (float)(bias[channel] - middle * gain);
            double m = (double)momentum;
            running_mean[channel] = (float)((1.0 - m) * running_mean[channel] + m * middle);
            running_variance[channel] =
                (float)((1.0 - m) * running_variance[channel] + m * variance * rows / (rows - 1.0));
        }
    }
}

// A NaN stays one.
__device__ __forceinline__ float cut(float value) { return value < 0.0f ? 0.0f : value; }

// y = x * scale + shift (+ residual), cut at 0 if `relu`.
template <typename T, int V>
__device__ __forceinline__ void apply(
    const T* x, const T* residual, long long rows_per_group, int channels, const float* scale, const float* shift,
    int relu, T* y) {
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    if (channel >= channels) {
        return;
    }
    float gain[V], offset[V];
#pragma unroll
    for (int i = 0; i < V; ++i) {
        gain[i] = scale[blockIdx.y * channels + channel + i];
        offset[i] = shift[blockIdx.y * channels + channel + i];
    }
    long long begin = blockIdx.y * rows_per_group * channels + channel;
    Chunk chunk = chunk_of(rows_per_group);
#pragma unroll 4
    for (long long row = chunk.begin + threadIdx.y; row < chunk.end; row += blockDim.y) {
        long long at = begin + row * channels;
        float values[V];
        load<T, V>(x + at, values);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            values[i] = values[i] * gain[i] + offset[i];
        }
        if (residual != nullptr) {
            float added[V];
            load<T, V>(residual + at, added);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                values[i] += added[i];
            }
        }
        if (relu) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                values[i] = cut(values[i]);
            }
        }
        store<T, V>(values, y + at);
    }
}

// How a gradient is masked where the output was cut to 0.
enum Mask { NONE = 0, RECOMPUTED = 1, OUTPUT = 2 };

// The gradient of the output, 0 where the output was cut: the sum of two where `second` is not null. `y` is read for
// OUTPUT alone.
template <typename T, int V>
__device__ __forceinline__ void masked_gradient(
    const T* gradient, const T* second, const T* y, long long at, const float (&x)[V], const float (&scale)[V],
    const float (&shift)[V], int mask, float (&g)[V]) {
    load<T, V>(gradient + at, g);
    if (second != nullptr) {
        float other[V];
        load<T, V>(second + at, other);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            // As if the sum had been stored.
            T sum;
            narrow(g[i] + other[i], sum);
            g[i] = widen(sum);
        }
    }
    if (mask == RECOMPUTED) {
#pragma unroll
        for (int i = 0; i < V; ++i) {
            g[i] = x[i] * scale[i] + shift[i] <= 0.0f ? 0.0f : g[i];
        }
    } else if (mask == OUTPUT) {
        float output[V];
        load<T, V>(y + at, output);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            g[i] = output[i] <= 0.0f ? 0.0f : g[i];
        }
    }
}

// Sums of the masked gradient g and of g * (x - mean); g itself where `masked` is not null.
template <typename T, int V>
__device__ __forceinline__ void gradient_sums(
    const T* x, const T* gradient, const T* second, const T* y, long long rows_per_group, int channels,
    const float* mean, const float* scale, const float* shift, int mask, T* masked, float* partial) {
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    bool inside = channel < channels;
    float total[V] = {}, products[V] = {};
    if (inside) {
        float middle[V], gain[V], offset[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
            int at = blockIdx.y * channels + channel + i;
            middle[i] = mean[at];
            gain[i] = scale[at];
            offset[i] = shift[at];
        }
        long long begin = blockIdx.y * rows_per_group * channels + channel;
        Chunk chunk = chunk_of(rows_per_group);
#pragma unroll 4
        for (long long row = chunk.begin + threadIdx.y; row < chunk.end; row += blockDim.y) {
            long long at = begin + row * channels;
            float values[V], g[V];
            load<T, V>(x + at, values);
            masked_gradient<T, V>(gradient, second, y, at, values, gain, offset, mask, g);
            if (masked != nullptr) {
                store<T, V>(g, masked + at);
            }
#pragma unroll
            for (int i = 0; i < V; ++i) {
                total[i] += g[i];
                products[i] += g[i] * (values[i] - middle[i]);
            }
        }
    }
    write_partial<V>(total, products, channel, inside, channels, partial);
}

// Gradients of weight and bias, [channels], and what dx = scale * g + slope * (x - mean) + offset needs, [groups,
// channels]. `count` is the number of rows that statistics are over.
extern "C" __global__ void byol_finish_gradient(
    const float* partial, long long count, int groups, int chunks, int channels, const float* inverse,
    const float* scale, float* weight_gradient, float* bias_gradient, float* slope, float* offset) {
    int channel = blockIdx.x * FINISHED + threadIdx.x;
    double for_weight = 0.0, for_bias = 0.0;
    for (int group = 0; group < groups; ++group) {
        double total, products;
        add_chunks(partial, group, chunks, channels, channel, total, products);
        if (threadIdx.y == 0 && channel < channels) {
            int at = group * channels + channel;
            double factor = inverse[at], gain = scale[at];
            for_weight += products * factor;
            for_bias += total;
            slope[at] = (float)(-gain * factor * factor * products / (double)count);
            offset[at] = (float)(-gain * total / (double)count);
        }
    }
    if (threadIdx.y == 0 && channel < channels) {
        weight_gradient[channel] = (float)for_weight;
        bias_gradient[channel] = (float)for_bias;
    }
}

// The gradient of the input. Where the output masks it, `gradient` is what `gradient_sums` left in `masked`.
template <typename T, int V>
__device__ __forceinline__ void input_gradient(
    const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean, const float* scale,
    const float* shift, const float* slope, const float* offset, int mask, T* dx) {
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    if (channel >= channels) {
        return;
    }
    float gain[V], move[V], incline[V], constant[V];
#pragma unroll
    for (int i = 0; i < V; ++i) {
        int at = blockIdx.y * channels + channel + i;
        gain[i] = scale[at];
        move[i] = shift[at];
        incline[i] = slope[at];
        constant[i] = offset[at] - slope[at] * mean[at];
    }
    long long begin = blockIdx.y * rows_per_group * channels + channel;
    Chunk chunk = chunk_of(rows_per_group);
#pragma unroll 4
    for (long long row = chunk.begin + threadIdx.y; row < chunk.end; row += blockDim.y) {
        long long at = begin + row * channels;
        float values[V], g[V];
        load<T, V>(x + at, values);
        masked_gradient<T, V>(gradient, nullptr, nullptr, at, values, gain, move, mask, g);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            values[i] = gain[i] * g[i] + incline[i] * values[i] + constant[i];
        }
        store<T, V>(values, dx + at);
    }
}

// The stem's max pool: 3x3, stride 2, padding 1. Position in the window that the maximum came from, or CUT.
constexpr unsigned char CUT_POSITION = 9;

template <int V>
struct alignas(V) Positions {
    unsigned char values[V];
};

// y = max over the window of relu(x * scale + shift), and where it came from. Grid: any; one thread has one vector of
// channels of one output. Positions are counted in 32 bits, in which divisions are fast.
template <typename T, int V>
__device__ __forceinline__ void pool(
    const T* x, int height, int width, int channels, long long outputs, long long outputs_per_group,
    const float* scale, const float* shift, T* y, unsigned char* positions) {
    unsigned pooled_height = (height + 1) / 2, pooled_width = (width + 1) / 2;
    unsigned vectors = channels / V;
    unsigned total = (unsigned)outputs * vectors;
    for (unsigned index = blockIdx.x * blockDim.x + threadIdx.x; index < total; index += gridDim.x * blockDim.x) {
        unsigned output = index / vectors;
        int channel = (int)(index - output * vectors) * V;
        unsigned group = output / (unsigned)outputs_per_group;
        unsigned line = output / pooled_width;
        int column = (int)(output - line * pooled_width);
        unsigned picture = line / pooled_height;
        int row = (int)(line - picture * pooled_height);
        float gain[V], offset[V], best[V];
        Positions<V> which;
        load<float, V>(scale + group * channels + channel, gain);
        load<float, V>(shift + group * channels + channel, offset);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            best[i] = __int_as_float(0xff800000);  // minus infinity
            which.values[i] = CUT_POSITION;
        }
        const T* from = x + (long long)picture * height * width * channels + channel;
#pragma unroll
        for (int position = 0; position < 9; ++position) {
            int from_row = 2 * row - 1 + position / 3, from_column = 2 * column - 1 + position % 3;
            if (from_row < 0 || from_row >= height || from_column < 0 || from_column >= width) {
                continue;
            }
            float values[V];
            load<T, V>(from + (from_row * width + from_column) * channels, values);
#pragma unroll
            for (int i = 0; i < V; ++i) {
                float value = values[i] * gain[i] + offset[i];
                // Not "value > best", so that a NaN wins.
                if (!(value <= best[i])) {
                    best[i] = value;
                    which.values[i] = (unsigned char)position;
                }
            }
        }
#pragma unroll
        for (int i = 0; i < V; ++i) {
            if (best[i] <= 0.0f) {
                best[i] = 0.0f;
                which.values[i] = CUT_POSITION;
            }
        }
        long long to = (long long)output * channels + channel;
        store<T, V>(best, y + to);
        *reinterpret_cast<Positions<V>*>(positions + to) = which;
    }
}

// Sums of the gradient g of what was not cut, and of g * (x - mean). Rows are outputs.
template <typename T, int V>
__device__ __forceinline__ void pool_gradient_sums(
    const T* x, const T* gradient, const unsigned char* positions, int height, int width, long long rows_per_group,
    int channels, const float* mean, float* partial) {
    unsigned pooled_height = (height + 1) / 2, pooled_width = (width + 1) / 2;
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    bool inside = channel < channels;
    float total[V] = {}, products[V] = {};
    if (inside) {
        float middle[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
            middle[i] = mean[blockIdx.y * channels + channel + i];
        }
        Chunk chunk = chunk_of(rows_per_group);
        for (long long at = chunk.begin + threadIdx.y; at < chunk.end; at += blockDim.y) {
            unsigned output = (unsigned)(blockIdx.y * rows_per_group + at);
            unsigned line = output / pooled_width;
            int column = (int)(output - line * pooled_width);
            unsigned picture = line / pooled_height;
            int row = (int)(line - picture * pooled_height);
            long long place = (long long)output * channels + channel;
            float g[V];
            load<T, V>(gradient + place, g);
            Positions<V> which = *reinterpret_cast<const Positions<V>*>(positions + place);
            const T* from = x + (long long)picture * height * width * channels + channel;
#pragma unroll
            for (int i = 0; i < V; ++i) {
                int position = which.values[i];
                if (position != CUT_POSITION) {
                    int from_row = 2 * row - 1 + position / 3, from_column = 2 * column - 1 + position % 3;
                    float value = widen(from[(from_row * width + from_column) * channels + i]);
                    total[i] += g[i];
                    products[i] += g[i] * (value - middle[i]);
                }
            }
        }
    }
    write_partial<V>(total, products, channel, inside, channels, partial);
}

// Adds the gradient of one output to the four pixels of a square that its window covers; PLACE says which they are: bit
// 0 for the output right of the square's own, bit 1 for the one below.
template <int V, int PLACE>
__device__ __forceinline__ void spread(const float (&gradient)[V], const Positions<V>& which, float (&g)[4][V]) {
    constexpr int RIGHT = PLACE & 1, BELOW = PLACE >> 1;
#pragma unroll
    for (int pixel = 0; pixel < 4; ++pixel) {
        // Output `o` covers 2 o - 1 to 2 o + 1.
        const int row = (pixel >> 1) + 1 - 2 * BELOW, column = (pixel & 1) + 1 - 2 * RIGHT;
        if (row >= 0 && column >= 0) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                g[pixel][i] += which.values[i] == 3 * row + column ? gradient[i] : 0.0f;
            }
        }
    }
}

// The gradient of the input. Grid: any; one thread has one vector of channels of the square of 2x2 input pixels that
// begins at an output's middle, so that the gradients of its four windows are read once.
template <typename T, int V>
__device__ __forceinline__ void pool_input_gradient(
    const T* x, const T* gradient, const unsigned char* positions, int height, int width, int channels,
    long long outputs, long long outputs_per_group, const float* mean, const float* scale, const float* slope,
    const float* offset, T* dx) {
    int pooled_height = (height + 1) / 2, pooled_width = (width + 1) / 2;
    unsigned vectors = channels / V;
    unsigned total = (unsigned)outputs * vectors;
    for (unsigned index = blockIdx.x * blockDim.x + threadIdx.x; index < total; index += gridDim.x * blockDim.x) {
        unsigned output = index / vectors;
        int channel = (int)(index - output * vectors) * V;
        unsigned group = output / (unsigned)outputs_per_group;
        unsigned above = output / (unsigned)pooled_width;
        int column = (int)(output - above * pooled_width);
        unsigned picture = above / (unsigned)pooled_height;
        int row = (int)(above - picture * pooled_height);
        bool right = column + 1 < pooled_width, below = row + 1 < pooled_height;
        float g[4][V] = {};
        auto window = [&](long long from, float (&values)[V]) {
            load<T, V>(gradient + from, values);
            return *reinterpret_cast<const Positions<V>*>(positions + from);
        };
        long long from = (long long)output * channels + channel;
        long long line = (long long)pooled_width * channels;
        float values[V];
        Positions<V> which = window(from, values);
        spread<V, 0>(values, which, g);
        if (right) {
            which = window(from + channels, values);
            spread<V, 1>(values, which, g);
        }
        if (below) {
            which = window(from + line, values);
            spread<V, 2>(values, which, g);
            if (right) {
                which = window(from + line + channels, values);
                spread<V, 3>(values, which, g);
            }
        }
        float middle[V], gain[V], incline[V], constant[V];
        int at = group * channels + channel;
        load<float, V>(mean + at, middle);
        load<float, V>(scale + at, gain);
        load<float, V>(slope + at, incline);
        load<float, V>(offset + at, constant);
#pragma unroll
        for (int pixel = 0; pixel < 4; ++pixel) {
            int pixel_row = 2 * row + (pixel >> 1), pixel_column = 2 * column + (pixel & 1);
            if (pixel_row < height && pixel_column < width) {
                long long pixel_line = (long long)picture * height + pixel_row;
                long long place = (pixel_line * width + pixel_column) * channels + channel;
                load<T, V>(x + place, values);
#pragma unroll
                for (int i = 0; i < V; ++i) {
                    values[i] = gain[i] * g[pixel][i] + incline[i] * (values[i] - middle[i]) + constant[i];
                }
                store<T, V>(values, dx + place);
            }
        }
    }
}

#define BYOL_FINISH(T, NAME)                                                                                          \
    extern "C" __global__ void byol_finish_##NAME(                                                                    \
        const float* partial, const T* x, long long rows_per_group, int groups, int chunks, int channels,             \
        const float* weight, const float* bias, float* running_mean, float* running_variance, float momentum,         \
        float epsilon, float* mean, float* inverse, float* scale, float* shift) {                                     \
        finish<T>(partial, x, rows_per_group, groups, chunks, channels, weight, bias, running_mean, running_variance, \
                  momentum, epsilon, mean, inverse, scale, shift);                                                    \
    }

#define BYOL_KERNELS(T, V, NAME)                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) byol_sums_##NAME##_##V(                                         \
        const T* x, long long rows_per_group, int channels, float* partial) {                                         \
        sums<T, V>(x, rows_per_group, channels, partial);                                                             \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_apply_##NAME##_##V(                                        \
        const T* x, const T* residual, long long rows_per_group, int channels, const float* scale,                    \
        const float* shift, int relu, T* y) {                                                                         \
        apply<T, V>(x, residual, rows_per_group, channels, scale, shift, relu, y);                                    \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_gradient_sums_##NAME##_##V(                                \
        const T* x, const T* gradient, const T* second, const T* y, long long rows_per_group, int channels,           \
        const float* mean, const float* scale, const float* shift, int mask, T* masked, float* partial) {             \
        gradient_sums<T, V>(x, gradient, second, y, rows_per_group, channels, mean, scale, shift, mask, masked,       \
                            partial);                                                                                 \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_input_gradient_##NAME##_##V(                               \
        const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean,                     \
        const float* scale, const float* shift, const float* slope, const float* offset, int mask, T* dx) {           \
        input_gradient<T, V>(x, gradient, rows_per_group, channels, mean, scale, shift, slope, offset, mask, dx);     \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_pool_##NAME##_##V(                                         \
        const T* x, int height, int width, int channels, long long outputs, long long outputs_per_group,              \
        const float* scale, const float* shift, T* y, unsigned char* positions) {                                     \
        pool<T, V>(x, height, width, channels, outputs, outputs_per_group, scale, shift, y, positions);               \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_pool_gradient_sums_##NAME##_##V(                           \
        const T* x, const T* gradient, const unsigned char* positions, int height, int width,                         \
        long long rows_per_group, int channels, const float* mean, float* partial) {                                  \
        pool_gradient_sums<T, V>(x, gradient, positions, height, width, rows_per_group, channels, mean, partial);     \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_pool_input_gradient_##NAME##_##V(                          \
        const T* x, const T* gradient, const unsigned char* positions, int height, int width, int channels,           \
        long long outputs, long long outputs_per_group, const float* mean, const float* scale, const float* slope,    \
        const float* offset, T* dx) {                                                                                 \
        pool_input_gradient<T, V>(x, gradient, positions, height, width, channels, outputs, outputs_per_group, mean,  \
                                  scale, slope, offset, dx);                                                          \
    }

BYOL_FINISH(float, f32)
BYOL_FINISH(bf16, bf16)
BYOL_KERNELS(float, 4, f32)
BYOL_KERNELS(float, 1, f32)
BYOL_KERNELS(bf16, 8, bf16)
BYOL_KERNELS(bf16, 1, bf16)
