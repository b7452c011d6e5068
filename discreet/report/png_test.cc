#include "discreet/report/png.h"

#include <gtest/gtest.h>
#include <png.h>

#include <vector>

#include "discreet/base/error.h"

namespace discreet {
namespace {

TEST(Png, LibpngReadsBackWhatWasWritten) {
  for (const int channels : {1, 3}) {
    std::vector<uint8_t> pixels;
    for (int i = 0; i < 5 * 7 * channels; ++i) pixels.push_back(static_cast<uint8_t>(i * 37));
    const std::string bytes = png_bytes(5, 7, channels, pixels);
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    ASSERT_TRUE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()));
    EXPECT_EQ(image.width, 5u);
    EXPECT_EQ(image.height, 7u);
    image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    std::vector<uint8_t> read(PNG_IMAGE_SIZE(image));
    ASSERT_TRUE(png_image_finish_read(&image, nullptr, read.data(), 0, nullptr));
    EXPECT_EQ(read, pixels);
  }
}

TEST(Png, SizesMustFit) {
  EXPECT_THROW(png_bytes(2, 2, 1, std::vector<uint8_t>(5)), Error);
  EXPECT_THROW(png_bytes(0, 2, 1, {}), Error);
  EXPECT_THROW(png_bytes(1, 1, 2, std::vector<uint8_t>(2)), Error);
}

TEST(Png, Base64OfRfc4648Section10) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFB\xFF"), "+/8=");
}

}  // namespace
}  // namespace discreet
