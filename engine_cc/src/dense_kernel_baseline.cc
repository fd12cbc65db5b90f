#include "dense_kernel_tiles.h"

namespace freshet {

void multiply_panel_baseline(const PanelProduct& product) noexcept { Tiles<16, 4>::run(product); }

}  // namespace freshet
