#include "dense_kernel_tiles.h"

namespace freshet {

void multiply_panel_avx512(const PanelProduct& product) noexcept { Tiles<64, 12>::run(product); }

}  // namespace freshet
