// Augmented views of a batch of images: crop, resize, flip, colours, blur, solarising, normalisation. One block makes
// one view. After every operation levels are cut to integers, as the CPU's renderer and torchvision do.
//
// Sweeps go from `thread` in steps of `threads` over quads of W adjacent pixels of a row, whose levels are read and written
// together: W is 4 where the side is a multiple of it, else 1.

// What happens to one view; the Rust side has the same struct.
struct View {
    // First byte of the image, [3, height, width].
    long long image;
    int width, height;
    int left, top, crop_width, crop_height;
    int flip;
    // Colour steps, first to last, and their amounts.
    int step_count;
    int steps[5];
    float amounts[5];
    // Pixels on each side of the centre, 0 for no blur.
    int blur_radius;
    float blur_sigma;
    // Levels from here on are inverted; 256 for none.
    int solarize;
};

enum Step { BRIGHTNESS = 1, CONTRAST = 2, SATURATION = 3, HUE = 4, GRAYSCALE = 5 };

// Where the parts of a view's scratch memory begin, in bytes.
struct Scratch {
    long long column_starts, row_starts, column_weights, row_weights, blur_weights, narrowed, levels, blurred, size;
};

// Input positions that an output position is made of: the filter is widened when shrinking.
__device__ __forceinline__ int taps_of(int input, int output) {
    double scale = (double)input / output;
    int taps = (int)ceil(4.0 * (scale > 1.0 ? scale : 1.0));
    return taps < input ? taps : input;
}

__device__ __forceinline__ long long aligned(long long bytes) { return (bytes + 15) / 16 * 16; }

__device__ __forceinline__ Scratch scratch_of(int side, int crop_width, int crop_height) {
    long long pixels = (long long)side * side;
    Scratch at;
    at.column_starts = 0;
    at.row_starts = aligned(at.column_starts + 4LL * side);
    at.column_weights = aligned(at.row_starts + 4LL * side);
    at.row_weights = aligned(at.column_weights + 4LL * side * taps_of(crop_width, side));
    at.blur_weights = aligned(at.row_weights + 4LL * side * taps_of(crop_height, side));
    at.narrowed = aligned(at.blur_weights + 4LL * side);
    at.levels = aligned(at.narrowed + 3LL * crop_height * side);
    at.blurred = aligned(at.levels + 3 * pixels);
    at.size = aligned(at.blurred + 2 * 3 * pixels);
    return at;
}

// Keys' cubic convolution kernel (1981) with a = -0.5, zero outside -2..2.
__device__ __forceinline__ double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    }
    if (x < 2.0) {
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    }
    return 0.0;
}

// For each output position its first input position and normalised weights: PyTorch's antialiased bicubic.
__device__ __forceinline__ void set_filter(
    int input, int output, bool reversed, int thread, int threads, int* starts, float* weights) {
    double scale = (double)input / output;
    double widened = scale > 1.0 ? scale : 1.0;
    double support = 2.0 * widened;
    int taps = taps_of(input, output);
    for (int at = thread; at < output; at += threads) {
        int position = reversed ? output - 1 - at : at;
        double centre = scale * (position + 0.5);
        double lowest = centre - support + 0.5;
        int start = lowest > 0.0 ? (int)lowest : 0;
        start = start < input - taps ? start : input - taps;
        double sum = 0.0;
        for (int tap = 0; tap < taps; ++tap) {
            sum += cubic((start + tap + 0.5 - centre) / widened);
        }
        starts[at] = start;
        for (int tap = 0; tap < taps; ++tap) {
            weights[at * taps + tap] = (float)(cubic((start + tap + 0.5 - centre) / widened) / sum);
        }
    }
}

__device__ __forceinline__ float clamp_level(float level) {
    return level > 0.0f ? (level < 255.0f ? level : 255.0f) : 0.0f;
}

__device__ __forceinline__ unsigned char rounded(float level) { return (unsigned char)clamp_level(level + 0.5f); }

// Cut to an integer within 0-255.
__device__ __forceinline__ float cut_level(float level) { return (float)(int)clamp_level(level); }

__device__ __forceinline__ float gray_of(float red, float green, float blue) {
    return cut_level(red * 0.2989f + green * 0.587f + blue * 0.114f);
}

__device__ __forceinline__ float wrap_sixths(float sixths) {
    sixths = sixths < 0.0f ? sixths + 6.0f : sixths;
    return sixths >= 6.0f ? sixths - 6.0f : sixths;
}

__device__ __forceinline__ float hue_channel(float n, float hue, float most, float range) {
    float k = wrap_sixths(n + hue);
    float share = k < 4.0f - k ? k : 4.0f - k;
    share = share < 1.0f ? share : 1.0f;
    share = share > 0.0f ? share : 0.0f;
    // torchvision goes back from 0-1 to levels by the factor 256 - 0.001, and cuts.
    return (float)(int)((most - range * share) * (255.999f / 255.0f));
}

// One colour step on one pixel; `mean` is the image's gray, for contrast.
__device__ __forceinline__ void change(int step, float amount, float mean, float& red, float& green, float& blue) {
    if (step == HUE) {
        float most = red > green ? red : green;
        most = most > blue ? most : blue;
        float least = red < green ? red : green;
        least = least < blue ? least : blue;
        float range = most - least;
        float difference = red == most ? green - blue : green == most ? blue - red : red - green;
        float sector = red == most ? 0.0f : green == most ? 2.0f : 4.0f;
        float hue = wrap_sixths(sector + difference / (range > 1.0f ? range : 1.0f) + 6.0f * amount);
        red = hue_channel(5.0f, hue, most, range);
        green = hue_channel(3.0f, hue, most, range);
        blue = hue_channel(1.0f, hue, most, range);
        return;
    }
    float gray = step == SATURATION || step == GRAYSCALE ? gray_of(red, green, blue) : 0.0f;
    float factor = step == GRAYSCALE ? 0.0f : amount;
    float offset = step == CONTRAST     ? mean * (1.0f - amount)
                   : step == SATURATION ? gray * (1.0f - amount)
                   : step == GRAYSCALE  ? gray
                                        : 0.0f;
    red = cut_level(red * factor + offset);
    green = cut_level(green * factor + offset);
    blue = cut_level(blue * factor + offset);
}

__device__ __forceinline__ int mirrored(int position, int side) {
    position = position < 0 ? -position : position;
    return position < side ? position : 2 * side - 2 - position;
}

// Levels of adjacent pixels in memory.
template <typename L, int W>
struct alignas(sizeof(L) * W) Quad {
    L values[W];
};

template <typename L, int W>
__device__ __forceinline__ Quad<L, W> read_quad(const L* from) {
    return *reinterpret_cast<const Quad<L, W>*>(from);
}

template <typename L, int W>
__device__ __forceinline__ void write_quad(const Quad<L, W>& quad, L* to) {
    *reinterpret_cast<Quad<L, W>*>(to) = quad;
}

// Makes the levels of one view, [3, side, side], and returns where they are.
template <int W>
__device__ __forceinline__ unsigned char* make_levels(
    const unsigned char* images, const View& view, int side, unsigned char* memory, int* shared, int thread,
    int threads) {
    Scratch at = scratch_of(side, view.crop_width, view.crop_height);
    int* column_starts = (int*)(memory + at.column_starts);
    int* row_starts = (int*)(memory + at.row_starts);
    float* column_weights = (float*)(memory + at.column_weights);
    float* row_weights = (float*)(memory + at.row_weights);
    unsigned char* narrowed = memory + at.narrowed;
    unsigned char* levels = memory + at.levels;
    int pixels = side * side;

    set_filter(view.crop_width, side, view.flip != 0, thread, threads, column_starts, column_weights);
    set_filter(view.crop_height, side, false, thread, threads, row_starts, row_weights);
    __syncthreads();

    // Along rows, then along columns.
    int quads = side / W;
    int taps = taps_of(view.crop_width, side);
    for (int index = thread; index < 3 * view.crop_height * quads; index += threads) {
        int line = index / quads, column = (index - line * quads) * W;
        int channel = line / view.crop_height, row = line - channel * view.crop_height;
        const unsigned char* image_row = images + view.image +
                                           ((long long)channel * view.height + view.top + row) * view.width + view.left;
        Quad<unsigned char, W> result;
        for (int i = 0; i < W; ++i) {
            const unsigned char* from = image_row + column_starts[column + i];
            const float* weights = column_weights + (column + i) * taps;
            float sum = 0.0f;
            for (int tap = 0; tap < taps; ++tap) {
                sum += (float)from[tap] * weights[tap];
            }
            result.values[i] = rounded(sum);
        }
        write_quad(result, narrowed + line * side + column);
    }
    __syncthreads();
    taps = taps_of(view.crop_height, side);
    for (int index = thread; index < 3 * side * quads; index += threads) {
        int line = index / quads, column = (index - line * quads) * W;
        int channel = line / side, row = line - channel * side;
        const unsigned char* from = narrowed + (channel * view.crop_height + row_starts[row]) * side + column;
        const float* weights = row_weights + row * taps;
        float sums[W] = {};
        for (int tap = 0; tap < taps; ++tap) {
            Quad<unsigned char, W> read = read_quad<unsigned char, W>(from + tap * side);
            for (int i = 0; i < W; ++i) {
                sums[i] += (float)read.values[i] * weights[tap];
            }
        }
        Quad<unsigned char, W> result;
        for (int i = 0; i < W; ++i) {
            result.values[i] = rounded(sums[i]);
        }
        write_quad(result, levels + line * side + column);
    }
    __syncthreads();

    // Colours: as many steps in a sweep as the mean that contrast needs allows.
    for (int first = 0; first < view.step_count;) {
        float mean = 0.0f;
        if (view.steps[first] == CONTRAST) {
            int sum = 0;
            for (int pixel = W * thread; pixel < pixels; pixel += W * threads) {
                Quad<unsigned char, W> red = read_quad<unsigned char, W>(levels + pixel);
                Quad<unsigned char, W> green = read_quad<unsigned char, W>(levels + pixels + pixel);
                Quad<unsigned char, W> blue = read_quad<unsigned char, W>(levels + 2 * pixels + pixel);
                for (int i = 0; i < W; ++i) {
                    sum += (int)gray_of(red.values[i], green.values[i], blue.values[i]);
                }
            }
            shared[thread] = sum;
            __syncthreads();
            long long total = 0;
            for (int other = 0; other < threads; ++other) {
                total += shared[other];
            }
            mean = (float)((double)total / pixels);
            __syncthreads();
        }
        int last = first + 1;
        while (last < view.step_count && view.steps[last] != CONTRAST) {
            ++last;
        }
        for (int pixel = W * thread; pixel < pixels; pixel += W * threads) {
            Quad<unsigned char, W> red = read_quad<unsigned char, W>(levels + pixel);
            Quad<unsigned char, W> green = read_quad<unsigned char, W>(levels + pixels + pixel);
            Quad<unsigned char, W> blue = read_quad<unsigned char, W>(levels + 2 * pixels + pixel);
            float changed[3][W];
            for (int i = 0; i < W; ++i) {
                changed[0][i] = red.values[i], changed[1][i] = green.values[i], changed[2][i] = blue.values[i];
            }
            for (int step = first; step < last; ++step) {
                for (int i = 0; i < W; ++i) {
                    change(view.steps[step], view.amounts[step], mean, changed[0][i], changed[1][i], changed[2][i]);
                }
            }
            for (int i = 0; i < W; ++i) {
                red.values[i] = (unsigned char)changed[0][i];
                green.values[i] = (unsigned char)changed[1][i];
                blue.values[i] = (unsigned char)changed[2][i];
            }
            write_quad(red, levels + pixel);
            write_quad(green, levels + pixels + pixel);
            write_quad(blue, levels + 2 * pixels + pixel);
        }
        __syncthreads();
        first = last;
    }

    // Blur: along columns, with 7 bits after the point, then along rows.
    if (view.blur_radius > 0) {
        float* weights = (float*)(memory + at.blur_weights);
        unsigned short* blurred = (unsigned short*)(memory + at.blurred);
        int radius = view.blur_radius;
        double sum = 1.0;
        for (int distance = 1; distance <= radius; ++distance) {
            double ratio = distance / (double)view.blur_sigma;
            sum += 2.0 * exp(-0.5 * ratio * ratio);
        }
        for (int distance = thread; distance <= radius; distance += threads) {
            double ratio = distance / (double)view.blur_sigma;
            weights[distance] = (float)(exp(-0.5 * ratio * ratio) / sum);
        }
        __syncthreads();
        for (int index = thread; index < 3 * side * quads; index += threads) {
            int line = index / quads, column = (index - line * quads) * W;
            int channel = line / side, row = line - channel * side;
            const unsigned char* plane = levels + channel * pixels + column;
            Quad<unsigned char, W> middle = read_quad<unsigned char, W>(plane + row * side);
            float totals[W];
            for (int i = 0; i < W; ++i) {
                totals[i] = weights[0] * middle.values[i];
            }
            for (int distance = 1; distance <= radius; ++distance) {
                Quad<unsigned char, W> above =
                    read_quad<unsigned char, W>(plane + mirrored(row - distance, side) * side);
                Quad<unsigned char, W> below =
                    read_quad<unsigned char, W>(plane + mirrored(row + distance, side) * side);
                for (int i = 0; i < W; ++i) {
                    totals[i] += weights[distance] * ((float)above.values[i] + (float)below.values[i]);
                }
            }
            Quad<unsigned short, W> result;
            for (int i = 0; i < W; ++i) {
                result.values[i] = (unsigned short)(totals[i] * 128.0f + 0.5f);
            }
            write_quad(result, blurred + line * side + column);
        }
        __syncthreads();
        for (int index = thread; index < 3 * side * quads; index += threads) {
            int line = index / quads, column = (index - line * quads) * W;
            const unsigned short* row = blurred + line * side;
            bool inside = column >= radius && column + W - 1 + radius < side;
            float totals[W];
            for (int i = 0; i < W; ++i) {
                totals[i] = weights[0] * row[column + i];
            }
            for (int distance = 1; distance <= radius; ++distance) {
                for (int i = 0; i < W; ++i) {
                    int left = column + i - distance, right = column + i + distance;
                    if (!inside) {
                        left = mirrored(left, side), right = mirrored(right, side);
                    }
                    totals[i] += weights[distance] * ((float)row[left] + (float)row[right]);
                }
            }
            Quad<unsigned char, W> result;
            for (int i = 0; i < W; ++i) {
                result.values[i] = rounded(totals[i] * (1.0f / 128.0f));
            }
            write_quad(result, levels + line * side + column);
        }
        __syncthreads();
    }
    return levels;
}

// One view as a network's input, [side, side, 3].
template <typename T, int W>
__device__ __forceinline__ void make_view_by(
    const unsigned char* images, const View& view, int side, const float* normalization, unsigned char* memory,
    int* shared, T* output, int thread, int threads) {
    const unsigned char* levels = make_levels<W>(images, view, side, memory, shared, thread, threads);
    int pixels = side * side;
    for (int pixel = W * thread; pixel < pixels; pixel += W * threads) {
        float values[3 * W];
        for (int channel = 0; channel < 3; ++channel) {
            Quad<unsigned char, W> read = read_quad<unsigned char, W>(levels + channel * pixels + pixel);
            for (int i = 0; i < W; ++i) {
                int level = read.values[i];
                level = level >= view.solarize ? 255 - level : level;
                values[3 * i + channel] = (float)level * normalization[channel] + normalization[3 + channel];
            }
        }
        for (int part = 0; part < 3; ++part) {
            float written[W];
            for (int i = 0; i < W; ++i) {
                written[i] = values[part * W + i];
            }
            store<T, W>(written, output + 3 * pixel + part * W);
        }
    }
}

template <typename T>
__device__ __forceinline__ void make_view(
    const unsigned char* images, const View& view, int side, const float* normalization, unsigned char* memory,
    int* shared, T* output, int thread, int threads) {
    if (side % 4 == 0) {
        make_view_by<T, 4>(images, view, side, normalization, memory, shared, output, thread, threads);
    } else {
        make_view_by<T, 1>(images, view, side, normalization, memory, shared, output, thread, threads);
    }
}

#define BYOL_VIEWS(T, NAME)                                                                                           \
    extern "C" __global__ void __launch_bounds__(256) byol_views_##NAME(                                              \
        const unsigned char* images, const View* views, int side, const float* normalization,                       \
        unsigned char* scratch, long long scratch_stride, T* output) {                                                \
        __shared__ int shared[256];                                                                                   \
        __shared__ View view;                                                                                         \
        if (threadIdx.x == 0) {                                                                                       \
            view = views[blockIdx.x];                                                                                 \
        }                                                                                                             \
        __syncthreads();                                                                                              \
        make_view<T>(images, view, side, normalization, scratch + blockIdx.x * scratch_stride, shared,              \
                     output + (long long)blockIdx.x * side * side * 3, threadIdx.x, blockDim.x);                      \
    }

BYOL_VIEWS(float, f32)
BYOL_VIEWS(bf16, bf16)
