#include "dense_kernel_tiles.h"

namespace freshet {

void multiply_panel_avx2(const PanelProduct& product) noexcept { Tiles<32, 6>::run(product); }

}  // namespace freshet
