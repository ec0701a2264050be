// The names of Gloo's context that libtorch's header of its Gloo group speaks of. libtorch carries Gloo inside and not its
// headers; pointers to its classes are all that is needed here, never their layouts.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
