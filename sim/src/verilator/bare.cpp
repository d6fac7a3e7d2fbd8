// Drives the array and its selector alone, with other values in every cycle, compiled together with the Verilated model
// as the whole accelerator is: the same flags, one source file, one evaluation a cycle.
//
// Before this file come the model's own sources, `TWOFOLD_MODEL`, `TWOFOLD_EVAL` and `TWOFOLD_EDGE` as for shim.cpp, and
// the ports as lists: `TWOFOLD_WORDS(X)`, `TWOFOLD_WEIGHTS(X)` and `TWOFOLD_PSUMS(X)` give position and member of each.
// The argument is the least processor time, in nanoseconds. Out come cycles, processor time and the sum of all partial
// sums that were seen.

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <time.h>

void vl_warn(const char*, int, const char*, const char*) {}

void vl_fatal(const char* file, int line, const char*, const char* message) {
    std::fprintf(stderr, "%s (%s:%d)\n", message, file, line);
    std::exit(1);
}

namespace {

// Cycles of a tile: its weights are loaded while the tile before streams.
constexpr unsigned n_tile_cycles = 64;
constexpr unsigned n_rows = 64 * n_tile_cycles;

struct Row {
    uint8_t word[32];
    uint8_t weight[32 + 4];
    uint16_t mask;
};

uint64_t next_random(uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

uint64_t thread_ns() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
    const uint64_t least_ns = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    VerilatedContext context;
    const auto top = std::make_unique<TWOFOLD_MODEL>(&context, "");
    auto& root = *top->rootp;
    uint64_t random = 1;
    std::vector<Row> rows(n_rows);
    for (Row& row : rows) {
        for (uint8_t& byte : row.word) byte = static_cast<uint8_t>(next_random(random) >> 32);
        for (uint8_t& byte : row.weight) byte = static_cast<uint8_t>(next_random(random) >> 32);
        row.mask = static_cast<uint16_t>(next_random(random) >> 32);
    }
    root.clock = 0;
    top->eval();
    root.clock = 1;
    top->eval();

    uint64_t n_cycles = 0;
    uint64_t sum = 0;
    const uint64_t start = thread_ns();
    uint64_t ns = 0;
    do {
        for (unsigned index = 0; index < n_rows; ++index) {
            const Row& row = rows[index];
#define TWOFOLD_DRIVE_WORD(position, member) root.member = row.word[position];
            TWOFOLD_WORDS(TWOFOLD_DRIVE_WORD)
#define TWOFOLD_DRIVE_WEIGHT(position, member) root.member = row.weight[position];
            TWOFOLD_WEIGHTS(TWOFOLD_DRIVE_WEIGHT)
            root.mask = row.mask;
            root.load = index % n_tile_cycles == 0;
            root.swap = index % n_tile_cycles == 2;
#if defined(TWOFOLD_EDGE)
            root.TWOFOLD_EDGE = 0;
            TWOFOLD_EVAL(&root);
#else
            root.clock = 0;
            TWOFOLD_EVAL(&root);
            root.clock = 1;
            TWOFOLD_EVAL(&root);
#endif
        }
#define TWOFOLD_SEE(position, member) sum += root.member;
        TWOFOLD_PSUMS(TWOFOLD_SEE)
        n_cycles += n_rows;
        ns = thread_ns() - start;
    } while (ns < least_ns);
    std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", n_cycles, ns, sum);
    return 0;
}
