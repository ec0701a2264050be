// Groups of processes ("ranks") that compute together: libtorch's stores, through which they find each other, and its groups
// over Gloo and NCCL, which add up and hand round tensors.

#define USE_C10D_GLOO

#include <c10/util/Exception.h>
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

using Milliseconds = std::chrono::milliseconds;
using StorePointer = c10::intrusive_ptr<c10d::Store>;

struct Store {
  StorePointer store;
  // Of a server or its client; 0 of a store in this process.
  uint16_t port = 0;
};

struct Group {
  c10::intrusive_ptr<c10d::Backend> backend;
};

// What an error says, without the C++ functions that it came through.
char* text_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  return strdup(known != nullptr ? known->what_without_backtrace() : error.what());
}

template <typename Action>
char* guarded(Action action) {
  try {
    action();
    return nullptr;
  } catch (const std::exception& error) {
    return text_of(error);
  } catch (...) {
    return strdup("an error that says nothing");
  }
}

// libtorch prints what a store or group fails with, with its C++ functions; whoever calls gets the error and says it.
void quiet() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) {
    FLAGS_caffe2_log_level = 3;
  }
}

// Begins a collective function and waits for it. libtorch notes each that begins in one record of the process (c10d's flight
// recorder), which several threads may not do at a time: two groups in one process, as where ranks are threads.
template <typename Begin>
void collective(Begin begin) {
  static std::mutex beginning;
  c10::intrusive_ptr<c10d::Work> work;
  {
    const std::lock_guard<std::mutex> one(beginning);
    work = begin();
  }
  // What NCCL has put on the current stream is no work to wait for.
  if (work) {
    work->wait();
  }
}

// Larger than objects of these two classes (1112 and 248 bytes in libtorch 2.11.0), whose headers need CUDA's.
constexpr size_t NCCL_BYTES = 4096;

using MakeOptions = void (*)(void* self, bool high_priority);
// Pointers to classes are passed alike, whatever the class.
using MakeGroup =
    void (*)(void* self, StorePointer store, int rank, int size, c10::intrusive_ptr<c10d::Backend::Options> options);

}  // namespace

extern "C" {

// A store at a port of a host: served from here, or reached there. `port` 0 is any free one, for a server. Returns null, or a
// message to be freed.
char* byol_store_open(const char* host, uint16_t port, bool serve, int64_t timeout, Store** result) {
  return guarded([&] {
    quiet();
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serve;
    options.waitWorkers = false;
    options.timeout = Milliseconds(timeout);
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    const uint16_t opened = store->getPort();
    *result = new Store{std::move(store), opened};
  });
}

// A store for ranks that are threads of this process. Returns null, or a message to be freed.
char* byol_store_in_process(Store** result) {
  return guarded([&] {
    quiet();
    *result = new Store{c10::make_intrusive<c10d::HashStore>()};
  });
}

// The part of a store whose keys begin with a prefix. Returns null, or a message to be freed.
char* byol_store_under(const Store* store, const char* prefix, Store** result) {
  return guarded([&] { *result = new Store{c10::make_intrusive<c10d::PrefixStore>(prefix, store->store), store->port}; });
}

uint16_t byol_store_port(const Store* store) { return store->port; }

void byol_store_close(Store* store) { delete store; }

// Returns null, or a message to be freed.
char* byol_store_set(const Store* store, const char* key, const uint8_t* value, size_t length) {
  return guarded([&] { store->store->set(key, std::vector<uint8_t>(value, value + length)); });
}

// Whether a key has a value. Returns null, or a message to be freed.
char* byol_store_has(const Store* store, const char* key, bool* result) {
  return guarded([&] { *result = store->store->check({key}); });
}

// Waits for a key; the bytes are to be freed. Returns null, or a message to be freed.
char* byol_store_get(const Store* store, const char* key, int64_t timeout, uint8_t** value, size_t* length) {
  return guarded([&] {
    store->store->wait({key}, Milliseconds(timeout));
    const std::vector<uint8_t> found = store->store->get(key);
    *value = static_cast<uint8_t*>(std::malloc(found.empty() ? 1 : found.size()));
    TORCH_CHECK(*value != nullptr, "no memory");
    std::copy(found.begin(), found.end(), *value);
    *length = found.size();
  });
}

// Adds to a number under a key, which begins as 0. Returns null, or a message to be freed.
char* byol_store_add(const Store* store, const char* key, int64_t amount, int64_t* sum) {
  return guarded([&] { *sum = store->store->add(key, amount); });
}

// A group over TCP, at an address of this host, or at one of its network interfaces. Returns null, or a message to be freed.
char* byol_group_gloo(
    const Store* store, int rank, int size, const char* address, bool is_interface, int64_t timeout, Group** result) {
  return guarded([&] {
    quiet();
    auto options = c10::make_intrusive<c10d::ProcessGroupGloo::Options>(Milliseconds(timeout));
    options->devices.push_back(
        is_interface ? c10d::ProcessGroupGloo::createDeviceForInterface(address)
                     : c10d::ProcessGroupGloo::createDeviceForHostname(address));
    options->threads = 1;
    *result = new Group{c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, size, std::move(options))};
  });
}

// A group over NCCL, for tensors on the current GPU. `options_at` and `group_at` are the constructors of its options and of
// itself in libtorch's GPU half. Returns null, or a message to be freed.
char* byol_group_nccl(
    const Store* store, int rank, int size, void* options_at, void* group_at, int64_t timeout, Group** result) {
  return guarded([&] {
    quiet();
    // One of NCCL's ways to add, by switches of NVLink, gives other bits from call to call.
    setenv("NCCL_ALGO", "^NVLS", /*overwrite=*/0);
    // Never freed, because `delete` would believe the class's size: one reference to each object is never given back.
    void* options_memory = std::calloc(1, NCCL_BYTES);
    void* group_memory = std::calloc(1, NCCL_BYTES);
    TORCH_CHECK(options_memory != nullptr && group_memory != nullptr, "no memory");
    reinterpret_cast<MakeOptions>(options_at)(options_memory, false);
    auto options = c10::intrusive_ptr<c10d::Backend::Options>::unsafe_steal_from_new(
        static_cast<c10d::Backend::Options*>(options_memory));
    options->timeout = Milliseconds(timeout);
    c10::intrusive_ptr<c10d::Backend::Options>(options).release();
    reinterpret_cast<MakeGroup>(group_at)(group_memory, store->store, rank, size, options);
    auto group =
        c10::intrusive_ptr<c10d::Backend>::unsafe_steal_from_new(static_cast<c10d::Backend*>(group_memory));
    c10::intrusive_ptr<c10d::Backend>(group).release();
    *result = new Group{std::move(group)};
  });
}

// The sum over the ranks, or the largest, in place. Returns null, or a message to be freed.
char* byol_group_all_reduce(const Group* group, at::Tensor* tensor, bool maximum) {
  return guarded([&] {
    c10d::AllreduceOptions options;
    options.reduceOp = maximum ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
    options.asyncOp = false;
    std::vector<at::Tensor> tensors{*tensor};
    collective([&] { return group->backend->allreduce(tensors, options); });
  });
}

// The inputs of all ranks one after the other, flat. Returns null, or a message to be freed.
char* byol_group_all_gather(const Group* group, at::Tensor* output, at::Tensor* input) {
  return guarded([&] {
    c10d::AllgatherOptions options;
    options.asyncOp = false;
    collective([&] { return group->backend->_allgather_base(*output, *input, options); });
  });
}

// The tensor of rank `root`, in place. Returns null, or a message to be freed.
char* byol_group_broadcast(const Group* group, at::Tensor* tensor, int root) {
  return guarded([&] {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.asyncOp = false;
    std::vector<at::Tensor> tensors{*tensor};
    collective([&] { return group->backend->broadcast(tensors, options); });
  });
}

// Waits until all ranks have come here. Returns null, or a message to be freed.
char* byol_group_barrier(const Group* group) {
  return guarded([&] {
    c10d::BarrierOptions options;
    options.asyncOp = false;
    collective([&] { return group->backend->barrier(options); });
  });
}

// Ends a group: after its work, or at once where it has failed. The group is gone afterwards.
void byol_group_end(Group* group, bool failed) {
  char* message = guarded([&] {
    if (failed) {
      group->backend->abort();
    } else {
      group->backend->shutdown();
    }
  });
  // Whoever ends a group has no more use for it, nor for what it says.
  std::free(message);
  delete group;
}

}  // extern "C"
