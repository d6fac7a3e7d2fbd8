// Reads and prints the ports of a block, in hexadecimal digits; the tests' half of it is blocks.rs.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

void vl_warn(const char* file, int line, const char*, const char* message) {
    std::fprintf(stderr, "warning: %s (%s:%d)\n", message, file, line);
}

void vl_fatal(const char* file, int line, const char*, const char* message) {
    std::fprintf(stderr, "%s (%s:%d)\n", message, file, line);
    std::exit(1);
}

namespace {
constexpr size_t N_WORDS = 8;

bool read(uint32_t* words) {
    char text[8 * N_WORDS + 1];
    if (scanf("%64s", text) != 1) return false;
    std::memset(words, 0, N_WORDS * sizeof *words);
    for (size_t n = std::strlen(text), i = 0; i < n; ++i) {
        const char c = text[n - 1 - i];
        words[i / 8] |= static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10) << i % 8 * 4;
    }
    return true;
}
template <class T> void set(T& port, const uint32_t* words) {
    port = static_cast<T>(static_cast<uint64_t>(words[1]) << 32 | words[0]);
}
template <std::size_t N> void set(VlWide<N>& port, const uint32_t* words) {
    for (std::size_t i = 0; i < N; ++i) port[i] = words[i];
}
template <class T> void print(const T& port) { printf("%llx ", static_cast<unsigned long long>(port)); }
template <std::size_t N> void print(const VlWide<N>& port) {
    for (std::size_t i = N; i-- > 0;) printf("%08x", port[i]);
    printf(" ");
}
}
