// The loops that run for every simulated cycle, compiled together with the Verilated model.
//
// Before this file come: the model's own sources, `TWOFOLD_EDGE` (the variable in which the model keeps the clock's
// last value, if it was found), `TWOFOLD_MEMORIES(X)` (name and member of every memory) and what definitions.rs lists:
// status registers and the ways in which a run ends. The structures below are
// `#[repr(C)]` structures of ffi.rs, field by field.
//
// The ports follow one rule: `input_ready` and all outputs but `status_data` depend on registers alone, so that what
// is seen after one clock edge is what the next one acts on.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include <time.h>

#define TWOFOLD_EXPORT extern "C" __attribute__((visibility("default")))

// The ROM files need not be there: their memories are written from outside.
void vl_warn(const char* file, int line, const char*, const char* message) {
    if (std::strstr(message, "$readmem file not found") == nullptr) {
        std::fprintf(stderr, "warning: %s (%s:%d)\n", message, file, line);
    }
}

void vl_fatal(const char* file, int line, const char*, const char* message) {
    throw std::runtime_error(std::string(message) + " (" + file + ":" + std::to_string(line) + ")");
}

namespace {

constexpr unsigned n_registers = TWOFOLD_N_REGISTERS;

struct Memory {
    uint8_t* data;
    uint64_t stride;
    uint64_t depth;
};

struct Region {
    uint64_t layer;
    const uint8_t* data;
    uint64_t stride;
    uint64_t n_words;
};

struct Job {
    const uint8_t* images;
    const uint64_t* frames;
    uint64_t n_frames;
    uint64_t image_bytes;
    uint64_t n_images;
    uint64_t n_logits;
    uint64_t n_layers;
    const Region* regions;
    uint64_t n_regions;
    uint64_t word_bytes;
    uint64_t image_output_bytes;
    uint64_t reset_cycles;
    uint64_t cycle_limit;
    uint64_t most_cycles;
    uint64_t back_to_back;
    uint64_t stall_seed;
    uint8_t* watch;
    uint64_t watch_image;
    uint64_t watch_layer;
};

struct Result {
    uint8_t* outputs;
    int16_t* logits;
    uint32_t* classes;
    uint32_t* registers;
    uint32_t* drained_cycles;
    uint64_t* done_cycles;
    uint64_t n_cycles;
    uint64_t cpu_ns;
    uint64_t watch_cycle;
    uint32_t output_cycles;
    uint32_t status;
    uint32_t image;
    uint32_t stream_layer;
    uint32_t drained_layers;
    uint32_t program_counter;
    uint32_t state;
    uint32_t n_bad_images;
};

struct Model {
    VerilatedContext context;
    std::unique_ptr<TWOFOLD_MODEL> top;
    std::string message;
#ifdef TWOFOLD_TRACE
    std::unique_ptr<TWOFOLD_TRACE> trace;
    uint64_t time = 0;
#endif

    Model() {
#ifdef TWOFOLD_TRACE
        context.traceEverOn(true);
#endif
        top = std::make_unique<TWOFOLD_MODEL>(&context, "");
    }
};

// One clock cycle: the values that the inputs have now are what the edge sees.
inline void clock_edge(Model& model) {
    auto& root = *model.top->rootp;
#ifdef TWOFOLD_TRACE
    root.clock = 0;
    model.top->eval();
    if (model.trace) model.trace->dump(model.time);
    root.clock = 1;
    model.top->eval();
    if (model.trace) model.trace->dump(model.time + 5);
    model.time += 10;
#elif defined(TWOFOLD_EDGE)
    root.TWOFOLD_EDGE = 0;
    TWOFOLD_EVAL(&root);
#else
    root.clock = 0;
    TWOFOLD_EVAL(&root);
    root.clock = 1;
    TWOFOLD_EVAL(&root);
#endif
}

uint32_t read_register(Model& model, unsigned index) {
    model.top->rootp->status_address = index;
    model.top->eval();
    return model.top->rootp->status_data;
}

void reset(Model& model, uint64_t n_cycles) {
    auto& root = *model.top->rootp;
    root.clock = 0;
    root.reset = 1;
    root.input_valid = 0;
    root.input_last = 0;
    std::memset(&root.input_data, 0, sizeof root.input_data);
    root.input_keep = 0;
    root.output_ready = 0;
    root.status_address = TWOFOLD_STATUS_STATE;
    model.top->eval();
    root.clock = 1;
    model.top->eval();
    for (uint64_t cycle = 1; cycle < n_cycles; ++cycle) clock_edge(model);
    root.reset = 0;
}

uint32_t next_random(uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<uint32_t>(state >> 32);
}

void copy_layer(const Job& job, Result& result, uint64_t image, uint64_t layer) {
    if (result.outputs == nullptr) return;
    uint8_t* to = result.outputs + image * job.image_output_bytes;
    for (uint64_t index = 0; index < job.n_regions; ++index) {
        const Region& region = job.regions[index];
        if (region.layer != layer) {
            to += region.n_words * job.word_bytes;
            continue;
        }
        for (uint64_t word = 0; word < region.n_words; ++word) {
            std::memcpy(to, region.data + word * region.stride, job.word_bytes);
            to += job.word_bytes;
        }
    }
}

void run(Model& model, const Job& job, Result& result) {
    auto& root = *model.top->rootp;
    // The port has a bit of `input_keep` for each byte of `input_data`, which fill its variable: 1, 2, 4, 8 or 16 bytes.
    constexpr uint64_t port_bytes = sizeof root.input_data;
    uint64_t sent_bytes = 0;       // accepted by the input port
    uint64_t frame = 0;            // frames accepted whole: what the input port gets up to a byte with `input_last`
    uint64_t frame_left = job.n_frames != 0 ? job.frames[0] : 0;
    uint64_t sent_images = 0;      // those that are images
    uint64_t computed = 0;         // images whose last drain is over
    uint64_t answered = 0;         // images whose class has been received
    uint64_t n_beats = 0;          // logits of the current answer
    uint64_t idle = 0;             // cycles since the last image came to its end
    uint64_t random = job.stall_seed;
    // Whatever an earlier run left there must not look like this run's result.
    if (job.watch) *job.watch = ~*job.watch;
    uint8_t watched = job.watch ? *job.watch : 0;

    auto snapshot = [&](uint64_t layer) {
        if (computed >= job.n_images || layer >= job.n_layers) return;
        uint32_t* to = result.registers + (computed * job.n_layers + layer) * n_registers;
        for (unsigned index = 0; index < n_registers; ++index) to[index] = read_register(model, index);
    };

    reset(model, job.reset_cycles);
    uint8_t done = root.done;
    uint8_t layer = root.stream_layer;
    uint64_t drained = root.drained_layers;
    while (answered < job.n_images || computed < job.n_images || frame < job.n_frames) {
        bool offer = frame < job.n_frames && (job.back_to_back || answered >= sent_images);
        bool accept = true;
        uint64_t noise = 0;            // on the input port, where nothing is offered
        if (job.stall_seed != 0) {
            const uint32_t stall = next_random(random);
            offer = offer && (stall & 3) != 0;
            accept = (stall & 0x30) != 0;
            noise = stall * 0x9e3779b97f4a7c15u;
            // Nothing but `status_data` depends on it.
            root.status_address = stall >> 8 & ((1 << TWOFOLD_STATUS_ADDRESS_BITS) - 1);
        }
        root.input_valid = offer;
        const uint64_t n_bytes = offer ? std::min(frame_left, port_bytes) : 0;
        uint8_t data_bytes[port_bytes];
        for (uint64_t byte = 0; byte < port_bytes; ++byte) {
            data_bytes[byte] = byte < n_bytes ? job.images[sent_bytes + byte] : noise >> byte % 7 * 8;
        }
        std::memcpy(&root.input_data, data_bytes, port_bytes);
        root.input_last = offer ? frame_left == n_bytes : noise >> 56 & 1;
        // It means nothing but in a last beat.
        const uint64_t keep = offer && root.input_last ? (uint64_t{1} << n_bytes) - 1 : noise >> 40;
        root.input_keep = keep & ((uint64_t{1} << port_bytes) - 1);
        root.output_ready = accept;
        const bool gave = offer && root.input_ready;
        const bool took = accept && root.output_valid;
        const int16_t data = static_cast<int16_t>(root.output_data);
        const bool last = root.output_last;

        const bool in_watched_layer = computed == job.watch_image && drained == job.watch_layer;
        clock_edge(model);
        ++result.n_cycles;
        if (gave) {
            sent_bytes += n_bytes;
            frame_left -= n_bytes;
            if (frame_left == 0) {
                sent_images += job.frames[frame] == job.image_bytes;
                if (++frame < job.n_frames) frame_left = job.frames[frame];
            }
        }

        if (took) {
            if (answered >= job.n_images || last != (n_beats == job.n_logits)) {
                result.status = TWOFOLD_PROTOCOL_ERROR;
                break;
            }
            if (last) {
                result.classes[answered++] = static_cast<uint16_t>(data);
                n_beats = 0;
                idle = 0;
            } else {
                result.logits[answered * job.n_logits + n_beats++] = data;
            }
        }
        if (root.drained_layers != drained) {
            if (root.drained_layers < drained) drained = 0;
            for (; drained < root.drained_layers; ++drained) {
                if (computed >= job.n_images || drained >= job.n_layers) continue;
                copy_layer(job, result, computed, drained);
                result.drained_cycles[computed * job.n_layers + drained] = read_register(model, TWOFOLD_STATUS_CYCLES);
            }
        }
        if (root.stream_layer != layer) {
            if (!done) snapshot(layer);
            layer = root.stream_layer;
        }
        if (root.done != done) {
            done = root.done;
            if (done) {
                snapshot(job.n_layers - 1);
                if (computed < job.n_images) result.done_cycles[computed] = result.n_cycles;
                ++computed;
                idle = 0;
            }
        }
        if (job.watch && *job.watch != watched) {
            watched = *job.watch;
            if (in_watched_layer) result.watch_cycle = read_register(model, TWOFOLD_STATUS_CYCLES);
        }
        if (root.error) {
            result.status = TWOFOLD_HARDWARE_ERROR;
            break;
        }
        if (++idle > job.cycle_limit) {
            result.status = TWOFOLD_TIMEOUT;
            break;
        }
        if (result.n_cycles == job.most_cycles) break;
    }
    result.image = static_cast<uint32_t>(result.status == TWOFOLD_HARDWARE_ERROR ? computed : answered);
    result.stream_layer = root.stream_layer;
    result.drained_layers = root.drained_layers;
    result.output_cycles = read_register(model, TWOFOLD_STATUS_OUTPUT_CYCLES);
    result.program_counter = read_register(model, TWOFOLD_STATUS_PROGRAM_COUNTER);
    result.state = read_register(model, TWOFOLD_STATUS_STATE);
    result.n_bad_images = read_register(model, TWOFOLD_STATUS_BAD_IMAGES);
}

// Processor time of this thread: what it takes, however busy the machine is.
uint64_t thread_ns() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

template <class Action> bool guarded(Model& model, Action action) {
    try {
        action();
        return true;
    } catch (const std::exception& error) {
        model.message = error.what();
        return false;
    }
}

}  // namespace

TWOFOLD_EXPORT uint32_t twofold_abi() { return TWOFOLD_ABI; }

TWOFOLD_EXPORT void* twofold_new() {
    try {
        auto model = std::make_unique<Model>();
        model->top->eval();
        return model.release();
    } catch (const std::exception&) {
        return nullptr;
    }
}

TWOFOLD_EXPORT void twofold_free(void* handle) { delete static_cast<Model*>(handle); }

TWOFOLD_EXPORT const char* twofold_message(void* handle) { return static_cast<Model*>(handle)->message.c_str(); }

TWOFOLD_EXPORT uint32_t twofold_memory(void* handle, const char* name, Memory* memory) {
    auto& root = *static_cast<Model*>(handle)->top->rootp;
#define TWOFOLD_MEMORY(label, member)                                                                     \
    if (std::strcmp(name, label) == 0) {                                                                  \
        auto& rows = root.member;                                                                         \
        *memory = {reinterpret_cast<uint8_t*>(&rows[0]), sizeof(rows[0]), sizeof(rows) / sizeof(rows[0])}; \
        return 1;                                                                                         \
    }
    TWOFOLD_MEMORIES(TWOFOLD_MEMORY)
    return 0;
}

TWOFOLD_EXPORT void twofold_run(void* handle, const Job* job, Result* result) {
    auto& model = *static_cast<Model*>(handle);
    const uint64_t start = thread_ns();
    if (!guarded(model, [&] { run(model, *job, *result); })) result->status = TWOFOLD_FATAL;
    result->cpu_ns = thread_ns() - start;
}

// Returns 1 if a trace was begun; only a model that was built for it can.
TWOFOLD_EXPORT uint32_t twofold_trace(void* handle, const char* path) {
#ifdef TWOFOLD_TRACE
    auto& model = *static_cast<Model*>(handle);
    return guarded(model, [&] {
        model.trace = std::make_unique<TWOFOLD_TRACE>();
        model.top->trace(model.trace.get(), 99);
        model.trace->open(path);
        if (!model.trace->isOpen()) throw std::runtime_error("the file cannot be written");
    });
#else
    (void)handle;
    (void)path;
    return 0;
#endif
}

TWOFOLD_EXPORT void twofold_end_trace(void* handle) {
#ifdef TWOFOLD_TRACE
    auto& model = *static_cast<Model*>(handle);
    if (model.trace) model.trace->close();
    model.trace.reset();
#else
    (void)handle;
#endif
}
