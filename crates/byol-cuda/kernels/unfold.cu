// The windows of a convolution over images of few channels as rows of a matrix: [batch * height * width of the
// output, side * side * channels], filled up with zeros to a multiple of 8 columns. A block makes the rows of one line
// of one output; a thread makes 8 columns of a row at a time.

extern "C" __global__ void __launch_bounds__(256) byol_unfold_bf16(
    const bf16* x, int height, int width, int channels, int side, int stride, int padding, int output_height,
    int output_width, int columns, bf16* unfolded) {
    int image = blockIdx.x / output_height, output_row = blockIdx.x - image * output_height;
    // Pixels of a line lie next to each other with their channels.
    const bf16* pixels = x + (long long)image * height * width * channels;
    bf16* rows = unfolded + (long long)blockIdx.x * output_width * columns;
    int across = side * channels;
    for (int first = 8 * threadIdx.x; first < columns; first += 8 * blockDim.x) {
        int first_down = first / across, first_right = first - first_down * across;
        for (int column = threadIdx.y; column < output_width; column += blockDim.y) {
            int left = (column * stride - padding) * channels;
            Vector<bf16, 8> values = {};
            // One line of the window after the other: values `begin` to `end` are in it, value i at `base + i`.
            int down = first_down, right = first_right;
            for (int begin = 0; begin < 8; right = 0, ++down) {
                int line = output_row * stride - padding + down, base = left + right - begin;
                int end = min(8, begin + across - right);
                bool inside = down < side && line >= 0 && line < height;
                int low = max(begin, -base), high = inside ? min(end, width * channels - base) : begin;
                const bf16* from = pixels + (line * width * channels + base);
#pragma unroll
                for (int i = 0; i < 8; ++i) {
                    if (i >= low && i < high) {
                        values.values[i] = from[i];
                    }
                }
                begin = end;
            }
            *reinterpret_cast<Vector<bf16, 8>*>(rows + column * columns + first) = values;
        }
    }
}
