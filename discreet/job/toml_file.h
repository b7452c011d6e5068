// A TOML file read as a JSON document: the job room then knows one kind of tree.
#pragma once

#include <filesystem>

#include "discreet/base/json.h"

namespace discreet {

// Throws Error(kInvalidArgument) naming the file, line and what is wrong; kNotFound for a missing file.
Json read_toml(const std::filesystem::path& path);

}  // namespace discreet
