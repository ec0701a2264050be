// libtorch's header of its Gloo group includes this file and uses nothing of it.
#pragma once
