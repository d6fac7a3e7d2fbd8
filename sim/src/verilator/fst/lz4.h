// LZ4 blocks for Verilator's FST writer, so that tracing needs no package of the machine. A greedy compressor of the
// published block format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline char* twofold_lz4_length(char* to, int length) {
    for (; length >= 255; length -= 255) *to++ = static_cast<char>(255);
    *to++ = static_cast<char>(length);
    return to;
}

// Literals, then a match of `match` bytes at `distance`; no match if `match` is 0.
inline char* twofold_lz4_sequence(char* to, const char* literals, int n_literals, int match, int distance) {
    const int literal_nibble = n_literals < 15 ? n_literals : 15;
    const int match_nibble = match == 0 ? 0 : (match - 4 < 15 ? match - 4 : 15);
    *to++ = static_cast<char>(literal_nibble << 4 | match_nibble);
    if (literal_nibble == 15) to = twofold_lz4_length(to, n_literals - 15);
    std::memcpy(to, literals, n_literals);
    to += n_literals;
    if (match == 0) return to;
    *to++ = static_cast<char>(distance & 255);
    *to++ = static_cast<char>(distance >> 8);
    if (match_nibble == 15) to = twofold_lz4_length(to, match - 19);
    return to;
}

// `to` holds at least `LZ4_compressBound(size)` bytes.
inline int LZ4_compress_default(const char* from, char* to, int size, int) {
    constexpr int hash_bits = 14;
    constexpr int last_literals = 5;
    constexpr int match_limit = 12;
    char* const begin = to;
    std::vector<int> table(1 << hash_bits, -1);
    int anchor = 0;
    int position = 0;
    while (position < size - match_limit) {
        uint32_t word;
        std::memcpy(&word, from + position, 4);
        int& slot = table[word * 2654435761u >> (32 - hash_bits)];
        const int candidate = slot;
        slot = position;
        if (candidate < 0 || position - candidate > 65535 || std::memcmp(from + candidate, from + position, 4) != 0) {
            ++position;
            continue;
        }
        int match = 4;
        while (position + match < size - last_literals && from[candidate + match] == from[position + match]) ++match;
        to = twofold_lz4_sequence(to, from + anchor, position - anchor, match, position - candidate);
        position += match;
        anchor = position;
    }
    return static_cast<int>(twofold_lz4_sequence(to, from + anchor, size - anchor, 0, 0) - begin);
}
