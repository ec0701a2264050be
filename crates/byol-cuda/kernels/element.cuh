// Activations in memory: float32 or bfloat16, in vectors of several channels. Everything computes in float32.

struct bf16 {
    unsigned short bits;
};

__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ float widen(bf16 value) { return __uint_as_float((unsigned)value.bits << 16); }

// To the nearest, ties to even; a quiet NaN stays one.
__device__ __forceinline__ void narrow(float value, float& result) { result = value; }
__device__ __forceinline__ void narrow(float value, bf16& result) {
    unsigned bits = __float_as_uint(value);
    result.bits = (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <typename T, int V>
struct alignas(sizeof(T) * V > 16 ? 16 : sizeof(T) * V) Vector {
    T values[V];
};

template <typename T, int V>
__device__ __forceinline__ void load(const T* from, float (&values)[V]) {
    Vector<T, V> vector = *reinterpret_cast<const Vector<T, V>*>(from);
#pragma unroll
    for (int i = 0; i < V; ++i) {
        values[i] = widen(vector.values[i]);
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
