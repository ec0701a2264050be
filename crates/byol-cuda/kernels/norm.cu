// Batch norm over rows of channels, with addition, ReLU and the stem's max pool, in both directions.
//
// Rows lie in `groups` equal parts, each with statistics of its own. A block sweeps over a chunk of one group's rows
// and a tile of channels: `blockDim.x` vectors of channels by `blockDim.y` rows at a time; grid: chunks, groups, tiles.
// Sums of chunks go to memory and are added in a fixed order, so that equal inputs give equal bits.

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

// Reads the rows of a chunk from several places, each `begin` after its pointer, and calls `use` with where each row
// lies and its values, in the order of the rows. A thread reads some rows before it uses the first: one by one, too
// little would be on its way to keep the memory busy.
template <int V, typename T, int PLACES, typename Use>
__device__ __forceinline__ void sweep(
    const T* const (&places)[PLACES], long long begin, Chunk chunk, int channels, Use use) {
    constexpr int AHEAD = (4 + PLACES - 1) / PLACES;
    for (long long first = chunk.begin + threadIdx.y; first < chunk.end; first += AHEAD * blockDim.y) {
        Vector<T, V> read[AHEAD][PLACES];
#pragma unroll
        for (int ahead = 0; ahead < AHEAD; ++ahead) {
            long long row = first + ahead * blockDim.y;
            if (row < chunk.end) {
#pragma unroll
                for (int place = 0; place < PLACES; ++place) {
                    read[ahead][place] =
                        *reinterpret_cast<const Vector<T, V>*>(places[place] + begin + row * channels);
                }
            }
        }
#pragma unroll
        for (int ahead = 0; ahead < AHEAD; ++ahead) {
            long long row = first + ahead * blockDim.y;
            if (row < chunk.end) {
                float values[PLACES][V];
#pragma unroll
                for (int place = 0; place < PLACES; ++place) {
                    widen(read[ahead][place], values[place]);
                }
                use(begin + row * channels, values);
            }
        }
    }
}

// Blocks that a multiprocessor runs at once of the kernels that add: their grids have as many (src/norm.rs).
constexpr int AT_ONCE = 3;

// Adds two figures of every channel over the rows of a block, and writes them to `partial`, laid out
// [groups, chunks, 2, channels].
template <int V>
__device__ __forceinline__ void write_partial(
    float (&first)[V], float (&second)[V], int channel, bool inside, int channels, float* partial) {
    __shared__ float lanes[2 * V][256];
    int at = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
    for (int i = 0; i < V; ++i) {
        lanes[2 * i][at] = first[i];
        lanes[2 * i + 1][at] = second[i];
    }
    __syncthreads();
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
#pragma unroll
            for (int i = 0; i < 2 * V; ++i) {
                lanes[i][at] += lanes[i][at + half * blockDim.x];
            }
        }
        __syncthreads();
    }
    if (threadIdx.y == 0 && inside) {
        float* to = partial + ((long long)blockIdx.y * gridDim.x + blockIdx.x) * 2 * channels + channel;
#pragma unroll
        for (int i = 0; i < V; ++i) {
            to[i] = lanes[2 * i][at];
            to[channels + i] = lanes[2 * i + 1][at];
        }
    }
}

// Sums and sums of squares of x less the first row of its group, which keeps a far mean from spoiling the variance.
template <typename T, int V>
__device__ __forceinline__ void sums(const T* x, long long rows_per_group, int channels, float* partial) {
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    bool inside = channel < channels;
    float total[V] = {}, squares[V] = {}, shift[V] = {};
    if (inside) {
        long long begin = blockIdx.y * rows_per_group * channels + channel;
        load<T, V>(x + begin, shift);
        const T* const places[] = {x};
        sweep<V>(places, begin, chunk_of(rows_per_group), channels, [&](long long, const float (&row)[1][V]) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                float value = row[0][i] - shift[i];
                total[i] += value;
                squares[i] += value * value;
            }
        });
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
    load<float, V>(scale + blockIdx.y * channels + channel, gain);
    load<float, V>(shift + blockIdx.y * channels + channel, offset);
    long long begin = blockIdx.y * rows_per_group * channels + channel;
    auto write = [&](long long at, float (&values)[V]) {
        if (relu) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                values[i] = cut(values[i]);
            }
        }
        store<T, V>(values, y + at);
    };
    if (residual == nullptr) {
        const T* const places[] = {x};
        sweep<V>(places, begin, chunk_of(rows_per_group), channels, [&](long long at, float (&row)[1][V]) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                row[0][i] = row[0][i] * gain[i] + offset[i];
            }
            write(at, row[0]);
        });
    } else {
        const T* const places[] = {x, residual};
        sweep<V>(places, begin, chunk_of(rows_per_group), channels, [&](long long at, float (&row)[2][V]) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                row[0][i] = row[0][i] * gain[i] + offset[i] + row[1][i];
            }
            write(at, row[0]);
        });
    }
}

// The gradient of the output is 0 where the output was cut: after a ReLU that nothing was added before, where
// x * scale + shift is not positive; else where the output is not.

template <int V>
__device__ __forceinline__ void mask_by_input(
    const float (&x)[V], const float (&scale)[V], const float (&shift)[V], float (&g)[V]) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
        g[i] = x[i] * scale[i] + shift[i] <= 0.0f ? 0.0f : g[i];
    }
}

template <int V>
__device__ __forceinline__ void mask_by_output(const float (&y)[V], float (&g)[V]) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
        g[i] = y[i] <= 0.0f ? 0.0f : g[i];
    }
}

// A thread's sums of the gradient g and of g * (x - mean) over the rows that `add` is given.
template <int V>
struct GradientSums {
    int channel;
    bool inside;
    long long begin;
    float middle[V], total[V], products[V];

    __device__ __forceinline__ GradientSums(const float* mean, long long rows_per_group, int channels)
        : channel((blockIdx.z * blockDim.x + threadIdx.x) * V), inside(channel < channels),
          begin(blockIdx.y * rows_per_group * channels + channel), middle(), total(), products() {
        if (inside) {
            load<float, V>(mean + blockIdx.y * channels + channel, middle);
        }
    }

    __device__ __forceinline__ void add(const float (&x)[V], const float (&g)[V]) {
#pragma unroll
        for (int i = 0; i < V; ++i) {
            total[i] += g[i];
            products[i] += g[i] * (x[i] - middle[i]);
        }
    }

    __device__ __forceinline__ void write(int channels, float* partial) {
        write_partial<V>(total, products, channel, inside, channels, partial);
    }
};

// Where nothing was cut.
template <typename T, int V>
__device__ __forceinline__ void gradient_sums(
    const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean, float* partial) {
    GradientSums<V> sums(mean, rows_per_group, channels);
    if (sums.inside) {
        const T* const places[] = {x, gradient};
        sweep<V>(places, sums.begin, chunk_of(rows_per_group), channels, [&](long long, float (&row)[2][V]) {
            sums.add(row[0], row[1]);
        });
    }
    sums.write(channels, partial);
}

// After a ReLU.
template <typename T, int V>
__device__ __forceinline__ void relu_gradient_sums(
    const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean, const float* scale,
    const float* shift, float* partial) {
    GradientSums<V> sums(mean, rows_per_group, channels);
    if (sums.inside) {
        float gain[V], offset[V];
        load<float, V>(scale + blockIdx.y * channels + sums.channel, gain);
        load<float, V>(shift + blockIdx.y * channels + sums.channel, offset);
        const T* const places[] = {x, gradient};
        sweep<V>(places, sums.begin, chunk_of(rows_per_group), channels, [&](long long, float (&row)[2][V]) {
            mask_by_input(row[0], gain, offset, row[1]);
            sums.add(row[0], row[1]);
        });
    }
    sums.write(channels, partial);
}

// After a ReLU of a sum, whose output is y. The gradient is the sum of two where `second` is not null; what is left of
// it goes to `masked`.
template <typename T, int V>
__device__ __forceinline__ void add_relu_gradient_sums(
    const T* x, const T* gradient, const T* second, const T* y, long long rows_per_group, int channels,
    const float* mean, T* masked, float* partial) {
    GradientSums<V> sums(mean, rows_per_group, channels);
    auto use = [&](long long at, const float (&values)[V], const float (&output)[V], float (&g)[V]) {
        mask_by_output(output, g);
        store<T, V>(g, masked + at);
        sums.add(values, g);
    };
    if (sums.inside && second == nullptr) {
        const T* const places[] = {x, y, gradient};
        sweep<V>(places, sums.begin, chunk_of(rows_per_group), channels, [&](long long at, float (&row)[3][V]) {
            use(at, row[0], row[1], row[2]);
        });
    } else if (sums.inside) {
        const T* const places[] = {x, y, gradient, second};
        sweep<V>(places, sums.begin, chunk_of(rows_per_group), channels, [&](long long at, float (&row)[4][V]) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
                // As if the sum had been stored.
                T sum;
                narrow(row[2][i] + row[3][i], sum);
                row[2][i] = widen(sum);
            }
            use(at, row[0], row[1], row[2]);
        });
    }
    sums.write(channels, partial);
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

// The gradient of the input. After a ReLU of a sum, `gradient` is what `add_relu_gradient_sums` left in `masked`; after
// another, it is still to be masked.
template <typename T, int V, bool RELU>
__device__ __forceinline__ void input_gradient(
    const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean, const float* scale,
    const float* shift, const float* slope, const float* offset, T* dx) {
    int channel = (blockIdx.z * blockDim.x + threadIdx.x) * V;
    if (channel >= channels) {
        return;
    }
    float gain[V], move[V], incline[V], constant[V];
    {
        float middle[V];
        int at = blockIdx.y * channels + channel;
        load<float, V>(mean + at, middle);
        load<float, V>(scale + at, gain);
        load<float, V>(shift + at, move);
        load<float, V>(slope + at, incline);
        load<float, V>(offset + at, constant);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            constant[i] -= incline[i] * middle[i];
        }
    }
    long long begin = blockIdx.y * rows_per_group * channels + channel;
    const T* const places[] = {x, gradient};
    sweep<V>(places, begin, chunk_of(rows_per_group), channels, [&](long long at, float (&row)[2][V]) {
        float (&values)[V] = row[0], (&g)[V] = row[1];
        if (RELU) {
            mask_by_input(values, gain, move, g);
        }
#pragma unroll
        for (int i = 0; i < V; ++i) {
            values[i] = gain[i] * g[i] + incline[i] * values[i] + constant[i];
        }
        store<T, V>(values, dx + at);
    });
}

// The stem's max pool: 3x3, stride 2, padding 1; output `o` covers 2 o - 1 to 2 o + 1. Position in the window that the
// maximum came from, or CUT.
constexpr unsigned char CUT_POSITION = 9;

template <int V>
struct alignas(V) Positions {
    unsigned char values[V];
};

// Which output a thread has, and of which channels.
struct Output {
    unsigned number, group, image;
    int row, column, channel;
};

// Counted in 32 bits, in which divisions are fast.
__device__ __forceinline__ Output output_of(
    unsigned index, unsigned vectors, int width_of_vector, int pooled_height, int pooled_width,
    long long outputs_per_group) {
    unsigned output = index / vectors;
    unsigned line = output / (unsigned)pooled_width;
    unsigned image = line / (unsigned)pooled_height;
    return {output,
            output / (unsigned)outputs_per_group,
            image,
            (int)(line - image * pooled_height),
            (int)(output - line * pooled_width),
            (int)(index - output * vectors) * width_of_vector};
}

// y = max over the window of relu(x * scale + shift), the x that it came from, where `maxima` is not null, and its
// position. Grid: any; one thread has one vector of channels of one output.
template <typename T, int V>
__device__ __forceinline__ void pool(
    const T* x, int height, int width, int channels, long long outputs, long long outputs_per_group,
    const float* scale, const float* shift, T* y, T* maxima, unsigned char* positions) {
    int pooled_height = (height + 1) / 2, pooled_width = (width + 1) / 2;
    unsigned vectors = channels / V;
    unsigned total = (unsigned)outputs * vectors;
    for (unsigned index = blockIdx.x * blockDim.x + threadIdx.x; index < total; index += gridDim.x * blockDim.x) {
        Output output = output_of(index, vectors, V, pooled_height, pooled_width, outputs_per_group);
        const T* from = x + (long long)output.image * height * width * channels + output.channel;
        int first_row = 2 * output.row - 1, first_column = 2 * output.column - 1;
        auto inside = [&](int position) {
            int row = first_row + position / 3, column = first_column + position % 3;
            return row >= 0 && row < height && column >= 0 && column < width;
        };
        // All is read before the first is compared, so that the reads wait together.
        Vector<T, V> window[9];
#pragma unroll
        for (int position = 0; position < 9; ++position) {
            if (inside(position)) {
                int row = first_row + position / 3, column = first_column + position % 3;
                window[position] = *reinterpret_cast<const Vector<T, V>*>(from + (row * width + column) * channels);
            }
        }
        float gain[V], offset[V], best[V], best_x[V];
        Positions<V> which;
        load<float, V>(scale + output.group * channels + output.channel, gain);
        load<float, V>(shift + output.group * channels + output.channel, offset);
#pragma unroll
        for (int i = 0; i < V; ++i) {
            best[i] = __int_as_float(0xff800000);  // minus infinity
            best_x[i] = 0.0f;
            which.values[i] = CUT_POSITION;
        }
#pragma unroll
        for (int position = 0; position < 9; ++position) {
            if (inside(position)) {
                float values[V];
                widen(window[position], values);
#pragma unroll
                for (int i = 0; i < V; ++i) {
                    float value = values[i] * gain[i] + offset[i];
                    // Not "value > best", so that a NaN wins.
                    bool better = !(value <= best[i]);
                    best[i] = better ? value : best[i];
                    best_x[i] = better ? values[i] : best_x[i];
                    which.values[i] = better ? (unsigned char)position : which.values[i];
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
        long long to = (long long)output.number * channels + output.channel;
        store<T, V>(best, y + to);
        *reinterpret_cast<Positions<V>*>(positions + to) = which;
        if (maxima != nullptr) {
            store<T, V>(best_x, maxima + to);
        }
    }
}

// The gradient of the input. Grid: any; one thread has one vector of channels of the square of 2x2 input pixels that
// begins at an output's middle, so that the gradients of its four windows are read once: the output's own, and those
// right of it, below it, and both.
template <typename T, int V>
__device__ __forceinline__ void pool_input_gradient(
    const T* x, const T* gradient, const unsigned char* positions, int height, int width, int channels,
    long long outputs, long long outputs_per_group, const float* mean, const float* scale, const float* slope,
    const float* offset, T* dx) {
    int pooled_height = (height + 1) / 2, pooled_width = (width + 1) / 2;
    unsigned vectors = channels / V;
    unsigned total = (unsigned)outputs * vectors;
    for (unsigned index = blockIdx.x * blockDim.x + threadIdx.x; index < total; index += gridDim.x * blockDim.x) {
        Output output = output_of(index, vectors, V, pooled_height, pooled_width, outputs_per_group);
        // All is read before any is used, as above.
        Vector<T, V> gradients[4], pixels[4];
        Positions<V> which[4];
        long long places[4];
        bool there[4];
#pragma unroll
        for (int window = 0; window < 4; ++window) {
            int right = window & 1, below = window >> 1;
            long long from = (long long)output.number + below * pooled_width + right;
            from = from * channels + output.channel;
#pragma unroll
            for (int i = 0; i < V; ++i) {
                which[window].values[i] = CUT_POSITION;
            }
            if (output.row + below < pooled_height && output.column + right < pooled_width) {
                gradients[window] = *reinterpret_cast<const Vector<T, V>*>(gradient + from);
                which[window] = *reinterpret_cast<const Positions<V>*>(positions + from);
            }
        }
#pragma unroll
        for (int pixel = 0; pixel < 4; ++pixel) {
            int row = 2 * output.row + (pixel >> 1), column = 2 * output.column + (pixel & 1);
            there[pixel] = row < height && column < width;
            long long line = (long long)output.image * height + row;
            places[pixel] = (line * width + column) * channels + output.channel;
            if (there[pixel]) {
                pixels[pixel] = *reinterpret_cast<const Vector<T, V>*>(x + places[pixel]);
            }
        }
        float middle[V], gain[V], incline[V], constant[V];
        int at = output.group * channels + output.channel;
        load<float, V>(mean + at, middle);
        load<float, V>(scale + at, gain);
        load<float, V>(slope + at, incline);
        load<float, V>(offset + at, constant);
#pragma unroll
        for (int pixel = 0; pixel < 4; ++pixel) {
            if (there[pixel]) {
                float values[V], g[V] = {};
#pragma unroll
                for (int window = 0; window < 4; ++window) {
                    // Where the pixel lies in the window.
                    const int row = (pixel >> 1) + 1 - 2 * (window >> 1), column = (pixel & 1) + 1 - 2 * (window & 1);
                    if (row >= 0 && column >= 0) {
                        float given[V];
                        widen(gradients[window], given);
#pragma unroll
                        for (int i = 0; i < V; ++i) {
                            if (which[window].values[i] == 3 * row + column) {
                                g[i] += given[i];
                            }
                        }
                    }
                }
                widen(pixels[pixel], values);
#pragma unroll
                for (int i = 0; i < V; ++i) {
                    values[i] = gain[i] * g[i] + incline[i] * (values[i] - middle[i]) + constant[i];
                }
                store<T, V>(values, dx + places[pixel]);
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
    extern "C" __global__ void __launch_bounds__(256, AT_ONCE) byol_sums_##NAME##_##V(                                \
        const T* x, long long rows_per_group, int channels, float* partial) {                                         \
        sums<T, V>(x, rows_per_group, channels, partial);                                                             \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_apply_##NAME##_##V(                                        \
        const T* x, const T* residual, long long rows_per_group, int channels, const float* scale,                    \
        const float* shift, int relu, T* y) {                                                                         \
        apply<T, V>(x, residual, rows_per_group, channels, scale, shift, relu, y);                                    \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, AT_ONCE) byol_gradient_sums_##NAME##_##V(                       \
        const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean, float* partial) {   \
        gradient_sums<T, V>(x, gradient, rows_per_group, channels, mean, partial);                                    \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, AT_ONCE) byol_relu_gradient_sums_##NAME##_##V(                  \
        const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean,                     \
        const float* scale, const float* shift, float* partial) {                                                     \
        relu_gradient_sums<T, V>(x, gradient, rows_per_group, channels, mean, scale, shift, partial);                 \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, AT_ONCE) byol_add_relu_gradient_sums_##NAME##_##V(              \
        const T* x, const T* gradient, const T* second, const T* y, long long rows_per_group, int channels,           \
        const float* mean, T* masked, float* partial) {                                                               \
        add_relu_gradient_sums<T, V>(x, gradient, second, y, rows_per_group, channels, mean, masked, partial);        \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_input_gradient_##NAME##_##V(                               \
        const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean,                     \
        const float* scale, const float* shift, const float* slope, const float* offset, T* dx) {                     \
        input_gradient<T, V, false>(x, gradient, rows_per_group, channels, mean, scale, shift, slope, offset, dx);    \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_relu_input_gradient_##NAME##_##V(                          \
        const T* x, const T* gradient, long long rows_per_group, int channels, const float* mean,                     \
        const float* scale, const float* shift, const float* slope, const float* offset, T* dx) {                     \
        input_gradient<T, V, true>(x, gradient, rows_per_group, channels, mean, scale, shift, slope, offset, dx);     \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) byol_pool_##NAME##_##V(                                         \
        const T* x, int height, int width, int channels, long long outputs, long long outputs_per_group,              \
        const float* scale, const float* shift, T* y, T* maxima, unsigned char* positions) {                          \
        pool<T, V>(x, height, width, channels, outputs, outputs_per_group, scale, shift, y, maxima, positions);       \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 2) byol_pool_input_gradient_##NAME##_##V(                       \
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
