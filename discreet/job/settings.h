// The settings of a training job, once: the flags of `discreet train`, the keys of a JOB.toml,
// the text of `--help` and the table in README.md are all this list.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace discreet {

enum class SettingType { kText, kNumber, kInteger, kSwitch };

struct Setting {
  std::string_view name;  // flag without its dashes; the TOML key has '_' for '-'
  SettingType type;
  std::string_view value;     // how the value is called in help: "COLUMN", "E", ...; empty for a switch
  std::string_view standard;  // what happens without it, in words
  std::string_view allowed;   // allowed values, in words
  std::string_view help;
};

std::span<const Setting> train_settings();

// "max_grad_norm" for "max-grad-norm".
std::string toml_key(std::string_view setting_name);

}  // namespace discreet
