// Activations in memory: float32 or bfloat16, in vectors of several channels. Everything computes in float32.

struct bf16 {
    unsigned short bits;
};

__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ float widen(bf16 value) { return __uint_as_float((unsigned)value.bits << 16); }

// To the nearest, ties to even; a NaN stays one.
__device__ __forceinline__ void narrow(float value, float& result) { result = value; }
__device__ __forceinline__ void narrow(float value, bf16& result) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
#else
    unsigned bits = __float_as_uint(value);
    result.bits = value != value ? 0x7fff : (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}

template <typename T, int V>
struct alignas(sizeof(T) * V) Vector {
    static_assert(sizeof(T) * V <= 16, "one instruction reads and writes up to 16 bytes");
    T values[V];
};

template <typename T, int V>
__device__ __forceinline__ void widen(const Vector<T, V>& vector, float* values) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
        values[i] = widen(vector.values[i]);
    }
}

template <typename T, int V>
__device__ __forceinline__ void load(const T* from, float (&values)[V]) {
    constexpr int WIDTH = sizeof(T) * V > 16 ? 16 / sizeof(T) : V;
#pragma unroll
    for (int first = 0; first < V; first += WIDTH) {
        Vector<T, WIDTH> vector = *reinterpret_cast<const Vector<T, WIDTH>*>(from + first);
        widen(vector, values + first);
    }
}

template <typename T, int V>
__device__ __forceinline__ void store(const float (&values)[V], T* to) {
    Vector<T, V> vector;
#pragma unroll
    for (int i = 0; i < V; ++i) {
        narrow(values[i], vector.values[i]);
    }
    *reinterpret_cast<Vector<T, V>*>(to) = vector;
}
