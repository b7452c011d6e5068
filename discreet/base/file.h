// Whole files, written atomically. Messages name the path and what went wrong, never the content.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "discreet/base/error.h"

namespace discreet {

// kNotFound, kPermissionDenied, kInvalidArgument (a folder), else kUnavailable.
std::string read_file(const std::filesystem::path& path);

// Whoever opens `path` sees the old content or the whole new one, also after a power cut: a temporary file
// beside it is written, synced and renamed, then the folder is synced. `mode` is set exactly.
// kNotFound (no such folder), kPermissionDenied (also read-only), kUnavailable (also a full disk: nothing is
// left behind).
void write_file(const std::filesystem::path& path, std::string_view bytes, int mode = 0644);

// kNotFound, with the folder's name, where the folder that `path` is to be in does not exist.
void require_folder_of(const std::filesystem::path& path);

// Makes renames and removals in the folder durable.
void sync_folder(const std::filesystem::path& path);

// $DISCREET_HOME, else $XDG_DATA_HOME/discreet, else ~/.local/share/discreet; made with mode 0700.
std::filesystem::path user_data_folder();
// $XDG_STATE_HOME/discreet, else ~/.local/state/discreet; made with mode 0700.
std::filesystem::path user_state_folder();

// The Error for errno `code` after `action` ("cannot read") on `path`.
Error file_error(int code, std::string_view action, const std::filesystem::path& path);

}  // namespace discreet
