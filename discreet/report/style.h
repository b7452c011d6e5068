// The style sheet of every page: one column of readable width, hairlines instead of boxes, two accents.
#pragma once

#include <string_view>

namespace discreet {
extern const std::string_view kStyleSheet;
}  // namespace discreet
