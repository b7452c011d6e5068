// A package: a folder NAME.discreet of files, and manifest.json over them. docs/package.md.
//
// Written atomically: NAME.discreet appears whole or not at all, also after a power cut; what a killed writer
// leaves is NAME.discreet.partial, which nothing reads and the next writer replaces.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "discreet/base/signature.h"
#include "discreet/package/manifest.h"

namespace discreet {

// Writes `files` (name: bytes) and the manifest to the folder `out`. kAlreadyExists if `out` exists, or
// `out`.partial holds something that is not ours; kUnavailable if another process is writing it, or for a
// full disk; kPermissionDenied, kNotFound for the folder around it. On an error nothing is left behind.
void write_package(const std::filesystem::path& out, const std::map<std::string, std::string>& files,
                   const SigningKey& key);

// The manifest of a package; checks form and signature, not the files. kNotFound if there is no package.
Manifest read_manifest(const std::filesystem::path& package);

// One file, checked against the manifest. kDataLoss if it was changed, kNotFound if the package has none of
// that name.
std::string read_package_file(const std::filesystem::path& package, const std::string& name);

}  // namespace discreet
