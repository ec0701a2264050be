// The windows of a convolution over pictures of few channels as rows of a matrix: [batch * height * width of the output,
// side * side * channels], filled up with zeros to a multiple of 8 columns. One thread makes 8 columns of a row.

extern "C" __global__ void __launch_bounds__(256) byol_unfold_bf16(
    const bf16* x, int height, int width, int channels, int side, int stride, int padding, int output_height,
    int output_width, long long rows, int columns, bf16* unfolded) {
    unsigned vectors = columns / 8;
    unsigned total = (unsigned)rows * vectors;
    int across = side * channels;
    for (unsigned index = blockIdx.x * blockDim.x + threadIdx.x; index < total; index += gridDim.x * blockDim.x) {
        unsigned row = index / vectors;
        int first = (int)(index - row * vectors) * 8;
        unsigned line = row / (unsigned)output_width;
        int output_column = (int)(row - line * output_width);
        unsigned picture = line / (unsigned)output_height;
        int output_row = (int)(line - picture * output_height);
        // Pixels of a line lie next to each other with their channels.
        const bf16* from = x + (long long)picture * height * width * channels;
        int top = output_row * stride - padding;
        int left = (output_column * stride - padding) * channels;
        int down = first / across;
        int right = first - down * across;
        Vector<bf16, 8> values;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            int from_row = top + down, at = left + right;
            bool inside = down < side && from_row >= 0 && from_row < height && at >= 0 && at < width * channels;
            values.values[i] = inside ? from[from_row * width * channels + at] : bf16{0};
            if (++right == across) {
                right = 0;
                ++down;
            }
        }
        *reinterpret_cast<Vector<bf16, 8>*>(unfolded + (long long)row * columns + first) = values;
    }
}
