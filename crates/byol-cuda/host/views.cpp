// The kernel of views for the host, where one thread does the work of a block: for tests without a GPU.

#include <cmath>
#include <cstring>
#include <vector>

#define BYOL_HOST
#define BYOL_DEVICE static inline
#define BYOL_SYNC() ((void)0)
#define __device__
#define __forceinline__ inline

using std::ceil;
using std::exp;
using std::fabs;

static inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

#include "../kernels/element.cuh"
#include "../kernels/views.cu"

extern "C" void byol_host_views(
    const unsigned char* pictures, const View* views, size_t count, int side, const float* normalization,
    float* output) {
    for (size_t index = 0; index < count; ++index) {
        const View& view = views[index];
        std::vector<unsigned char> memory(scratch_of(side, view.crop_width, view.crop_height).size);
        int shared[1];
        make_view<float>(
            pictures, view, side, normalization, memory.data(), shared, output + index * side * side * 3, 0, 1);
    }
}

extern "C" long long byol_host_scratch(int side, int crop_width, int crop_height) {
    return scratch_of(side, crop_width, crop_height).size;
}
