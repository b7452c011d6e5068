#include "discreet/data/image_file.h"

#include <jpeglib.h>
#include <png.h>

#include <csetjmp>
#include <cstdio>  // before jpeglib.h, which needs it

#include "discreet/base/error.h"
#include "discreet/data/image_dataset.h"

namespace discreet {
namespace {

constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegMagic = "\xff\xd8\xff";

[[noreturn]] void corrupt(const std::filesystem::path& path, const std::string& format) {
  throw Error(ErrorKind::kDataLoss, path.string() + ": the " + format + " file is corrupt or cut off");
}

void check_sides(const std::filesystem::path& path, int64_t height, int64_t width) {
  if (height < 1 || width < 1 || height > kMaxImageSide || width > kMaxImageSide) {
    throw Error(ErrorKind::kUnsupported, path.string() + ": an image of " + std::to_string(width) + "x" +
                                             std::to_string(height) + " pixels; sides of 1 to " +
                                             std::to_string(kMaxImageSide) + " are allowed");
  }
}

Image decode_png(const std::filesystem::path& path, std::string_view bytes) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  struct Release {
    png_image* image;
    ~Release() { png_image_free(image); }
  } release{&png};
  if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size())) corrupt(path, "PNG");
  check_sides(path, png.height, png.width);
  Image image{png.height, png.width, (png.format & PNG_FORMAT_FLAG_COLOR) ? 3 : 1, {}};
  png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  image.pixels.resize(PNG_IMAGE_SIZE(png));
  const png_color black{0, 0, 0};
  if (!png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr)) corrupt(path, "PNG");
  if (png.warning_or_error & PNG_IMAGE_ERROR) corrupt(path, "PNG");
  return image;
}

struct JpegError {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
};

void on_jpeg_error(j_common_ptr jpeg) {
  std::longjmp(reinterpret_cast<JpegError*>(jpeg->err)->jump, 1);
}
void on_jpeg_message(j_common_ptr jpeg, int level) {
  if (level < 0) ++jpeg->err->num_warnings;  // libjpeg fills what is missing with gray and only warns
}

// Between setjmp and the end nothing with a destructor is made. False where the data is damaged or not
// supported; `too_large` and `unsupported` say why else it stopped.
bool decode_jpeg_into(std::string_view bytes, Image& image, bool& too_large, bool& unsupported) {
  jpeg_decompress_struct jpeg;
  JpegError error;
  jpeg.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = on_jpeg_error;
  error.manager.emit_message = on_jpeg_message;
  if (setjmp(error.jump)) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&jpeg, TRUE);
  image.height = jpeg.image_height;
  image.width = jpeg.image_width;
  image.channels = jpeg.num_components == 1 ? 1 : 3;
  too_large = image.height > kMaxImageSide || image.width > kMaxImageSide;
  unsupported = jpeg.num_components != 1 && jpeg.num_components != 3;
  if (too_large || unsupported) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg.out_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  const size_t stride = static_cast<size_t>(image.width * image.channels);
  image.pixels.resize(stride * static_cast<size_t>(image.height));
  while (jpeg.output_scanline < jpeg.output_height) {
    unsigned char* line = image.pixels.data() + stride * jpeg.output_scanline;
    jpeg_read_scanlines(&jpeg, &line, 1);
  }
  jpeg_finish_decompress(&jpeg);
  const bool whole = error.manager.num_warnings == 0;
  jpeg_destroy_decompress(&jpeg);
  return whole;
}

Image decode_jpeg(const std::filesystem::path& path, std::string_view bytes) {
  Image image;
  bool too_large = false, unsupported = false;
  if (decode_jpeg_into(bytes, image, too_large, unsupported)) return image;
  if (too_large) check_sides(path, image.height, image.width);
  if (unsupported) {
    throw Error(ErrorKind::kUnsupported, path.string() + ": a JPEG file that is neither gray nor RGB");
  }
  corrupt(path, "JPEG");
}

}  // namespace

std::string Image::size_text() const {
  return std::to_string(width) + "x" + std::to_string(height) + (channels == 1 ? " gray" : " RGB");
}

bool is_image(std::string_view bytes) {
  return bytes.starts_with(kPngMagic) || bytes.starts_with(kJpegMagic);
}

Image decode_image(const std::filesystem::path& path, std::string_view bytes) {
  if (bytes.starts_with(kPngMagic)) return decode_png(path, bytes);
  if (bytes.starts_with(kJpegMagic)) return decode_jpeg(path, bytes);
  throw Error(ErrorKind::kDataLoss, path.string() + ": neither a PNG nor a JPEG file");
}

}  // namespace discreet
