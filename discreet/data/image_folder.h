// A folder of images with a sub-folder for each label, or, without sub-folders, images without labels.
#pragma once

#include <filesystem>

#include "discreet/data/image_dataset.h"

namespace discreet {

// Label names are the sub-folders' names; labels and files are ordered by name, byte by byte. Names that
// start with a dot are skipped. kNotFound: no such folder; kInvalidArgument: no images, a file that is no
// image, images both in the folder and in sub-folders, an image of another size than the first (file and both
// sizes are named); kUnsupported: more than kMaxImageBytes; kDataLoss: a corrupt file (named).
// files() of the result are the images' paths relative to `root`: a folder around `folder`, or itself if "".
ImageDataset read_image_folder(const std::filesystem::path& folder, const std::filesystem::path& root = {});

}  // namespace discreet
