// IDX files, PNG and JPEG files, folders of images and what a name means (open.h).
#include <jpeglib.h>
#include <png.h>

#include <cstdio>  // before jpeglib.h, which needs it

#include "discreet/data/idx.h"
#include "discreet/data/image_file.h"
#include "discreet/data/image_folder.h"
#include "discreet/data/open.h"
#include "discreet/data/test_files.h"

namespace discreet {
namespace {

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string idx_images(uint32_t count, uint32_t height, uint32_t width) {
  std::string bytes = big_endian(0x803) + big_endian(count) + big_endian(height) + big_endian(width);
  for (uint32_t i = 0; i < count * height * width; ++i) bytes += static_cast<char>(i % 251);
  return bytes;
}

std::string idx_labels(const std::vector<int>& labels) {
  std::string bytes = big_endian(0x801) + big_endian(static_cast<uint32_t>(labels.size()));
  for (int label : labels) bytes += static_cast<char>(label);
  return bytes;
}

std::string png(int width, int height, bool rgb, int first = 0) {
  std::vector<uint8_t> pixels(static_cast<size_t>(width * height * (rgb ? 3 : 1)));
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<uint8_t>(static_cast<size_t>(first) + i * 7);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = rgb ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t size = 0;
  png_image_write_get_memory_size(image, size, 0, pixels.data(), 0, nullptr);
  std::string bytes(size, '\0');
  png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr);
  bytes.resize(size);
  return bytes;
}

std::string jpeg(int width, int height, bool rgb, uint8_t value) {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr error;
  jpeg.err = jpeg_std_error(&error);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = rgb ? 3 : 1;
  jpeg.in_color_space = rgb ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<unsigned char> line(static_cast<size_t>(width * 3), value);
  unsigned char* pointer = line.data();
  for (int i = 0; i < height; ++i) jpeg_write_scanlines(&jpeg, &pointer, 1);
  jpeg_finish_compress(&jpeg);
  std::string out(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  free(bytes);
  return out;
}

class Idx : public FolderTest {};

TEST_F(Idx, PixelsLabelsAndClasses) {
  auto data = read_idx(write("i", idx_images(3, 2, 4)), write_gzip("l.gz", idx_labels({7, 2, 7})));
  EXPECT_EQ(data.shape(), (std::vector<int64_t>{1, 2, 4}));
  EXPECT_EQ(data.label_names().size(), 256u);
  const auto batch = data.features(torch::tensor({1}, torch::kInt64));
  EXPECT_FLOAT_EQ(batch[0][0][1][3].item<float>(), 15.0F / 255);
  EXPECT_TRUE(data.targets().equal(torch::tensor({-1, -1, -1}, torch::kInt64)));
  data.select_classes({"2", "7"});
  EXPECT_TRUE(data.targets().equal(torch::tensor({1, 0, 1}, torch::kInt64)));
  data.select_classes({"2", "3"});
  EXPECT_TRUE(data.targets().equal(torch::tensor({-1, 0, -1}, torch::kInt64)));
  EXPECT_EQ(refusal([&] {
              data.select_classes({"shirt", "2"});
            }),
            "invalid-argument: classes: no image can have the label 'shirt'");
  auto some = data.select({2, 0});
  EXPECT_FLOAT_EQ(some.features(torch::tensor({0}, torch::kInt64))[0][0][0][0].item<float>(), 16.0F / 255);
  EXPECT_EQ(some.labels(), (std::vector<int64_t>{7, 7}));
  std::vector<std::string> records;
  some.for_each_record([&](std::string_view bytes) { records.emplace_back(bytes); });
  EXPECT_EQ(records[1], std::string("7\0\0\1\2\3\4\5\6\7", 10));
}

TEST_F(Idx, DamagedFilesAreNamed) {
  const auto refused = [&](const std::string& images, const std::string& labels) {
    return refusal([&] { read_idx(write("i", images), write("l", labels)); }, folder);
  };
  const auto good = idx_images(2, 3, 3);
  EXPECT_EQ(refused("", idx_labels({1, 2})), "data-loss: i: the file is empty; an IDX file is expected");
  EXPECT_EQ(
      refused("PK\3\4 zip", idx_labels({1, 2})),
      "data-loss: i: not an IDX file of unsigned bytes with 3 dimension(s): it must start with 00 00 08 03");
  EXPECT_EQ(refused(good.substr(0, 10), idx_labels({1, 2})), "data-loss: i: the IDX header is cut off");
  EXPECT_EQ(refused(good.substr(0, good.size() - 1), idx_labels({1, 2})),
            "data-loss: i: the header says 18 bytes of content, the file has 17 (cut off?)");
  EXPECT_EQ(refused(good + "x", idx_labels({1, 2})),
            "data-loss: i: the header says 18 bytes of content, the file has 19");
  EXPECT_EQ(refused(good, idx_labels({1})), "data-loss: l: 1 labels for the 2 images of i");
  EXPECT_EQ(
      refused(good, good),
      "data-loss: l: not an IDX file of unsigned bytes with 1 dimension(s): it must start with 00 00 08 01");
  EXPECT_EQ(
      refused(big_endian(0x803) + big_endian(4000000000U) + big_endian(4000000000U) + big_endian(1), good),
      "data-loss: i: an image side of 4000000000; 1 to 4096 is allowed");
  EXPECT_EQ(refused(idx_images(0, 2, 2), idx_labels({})), "data-loss: i: the file holds no records");
  const auto whole = write_gzip("whole.gz", good);
  std::ifstream in(whole, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  EXPECT_TRUE(refusal([&] { read_idx(write("cut.gz", bytes.substr(0, bytes.size() - 9)), {}); }, folder)
                  .starts_with("data-loss: cut.gz"));
}

class Images : public FolderTest {};

TEST_F(Images, ASubFolderAClassInTheOrderOfNames) {
  write("d/dog/b.png", png(4, 3, true, 50));
  write("d/dog/a.jpg", jpeg(4, 3, true, 200));
  write("d/cat/1.png", png(4, 3, true, 0));
  write("d/.hidden/x", "x");
  write("d/cat/.DS_Store", "x");
  const auto data = read_image_folder(folder / "d");
  EXPECT_EQ(data.label_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data.labels(), (std::vector<int64_t>{0, 1, 1}));
  EXPECT_EQ(data.files(), (std::vector<std::string>{"cat/1.png", "dog/a.jpg", "dog/b.png"}));
  EXPECT_EQ(read_image_folder(folder / "d", folder).files()[2], "d/dog/b.png");
  EXPECT_EQ(data.shape(), (std::vector<int64_t>{3, 3, 4}));
  const auto pixels = data.features(torch::arange(3)).mul(255).round();
  EXPECT_EQ(pixels[0][1][0][0].item<float>(), 7) << "the second byte is the first pixel's green";
  EXPECT_EQ(pixels[0][0][1][0].item<float>(), 84) << "12 bytes a row";
  EXPECT_NEAR(pixels[1][2][2][3].item<float>(), 200, 2);
  EXPECT_EQ(pixels[2][0][0][0].item<float>(), 50);
}

TEST_F(Images, AFolderWithoutSubFoldersHasNoLabels) {
  write("d/a.png", png(2, 2, false));
  const auto data = read_image_folder(folder / "d");
  EXPECT_TRUE(data.labels().empty());
  EXPECT_EQ(data.shape(), (std::vector<int64_t>{1, 2, 2}));
}

TEST_F(Images, DamagedAndUnequalFilesAreNamed) {
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    std::filesystem::remove_all(folder / "d");
    write("d/cat/1.png", png(4, 4, false));
    write(name, bytes);
    return refusal([&] { read_image_folder(folder / "d"); }, folder);
  };
  const auto good_png = png(4, 4, false), good_jpeg = jpeg(32, 32, false, 9);
  EXPECT_EQ(
      refused("d/dog/2.png", png(5, 4, false)),
      "invalid-argument: d/dog/2.png: 5x4 gray where the images before it are 4x4 gray; all images must have "
      "one size");
  EXPECT_EQ(
      refused("d/dog/2.png", png(4, 4, true)),
      "invalid-argument: d/dog/2.png: 4x4 RGB where the images before it are 4x4 gray; all images must have "
      "one size");
  EXPECT_EQ(refused("d/dog/2.png", good_png.substr(0, good_png.size() - 20)),
            "data-loss: d/dog/2.png: the PNG file is corrupt or cut off");
  std::string changed = good_png;
  const size_t content = changed.find("IDAT") + 6;
  changed[content] = static_cast<char>(changed[content] ^ 0x40);
  EXPECT_EQ(refused("d/dog/2.png", changed), "data-loss: d/dog/2.png: the PNG file is corrupt or cut off");
  EXPECT_EQ(refused("d/dog/2.jpg", good_jpeg.substr(0, good_jpeg.size() - 30)),
            "data-loss: d/dog/2.jpg: the JPEG file is corrupt or cut off");
  EXPECT_EQ(refused("d/dog/2.jpg", good_jpeg.substr(0, 8)),
            "data-loss: d/dog/2.jpg: the JPEG file is corrupt or cut off");
  EXPECT_EQ(refused("d/dog/2.png", ""), "data-loss: d/dog/2.png: the file is empty");
  EXPECT_EQ(refused("d/dog/note.txt", "text"),
            "invalid-argument: d/dog/note.txt: neither a PNG nor a JPEG file");
  EXPECT_EQ(
      refused("d/note.txt", "text"),
      "invalid-argument: d/note.txt: a file beside the sub-folders of the labels; every image must be in the "
      "sub-folder of its label");
  EXPECT_EQ(refused("d/dog/deeper/x.png", good_png),
            "invalid-argument: d/dog/deeper: a folder where only images are expected");
}

// A PNG header that promises 60000 x 60000 pixels: 3.6 GB must not be asked for.
TEST_F(Images, GiantSidesAreRefusedBeforeAnythingIsAllocated) {
  std::string bytes = png(4, 4, false);
  const std::string size = big_endian(60000) + big_endian(60000);
  bytes.replace(16, 8, size);
  bytes.replace(29, 4,
                big_endian(static_cast<uint32_t>(
                    crc32(0, reinterpret_cast<const unsigned char*>(bytes.data()) + 12, 17))));
  EXPECT_EQ(refusal([&] { decode_image("x.png", bytes); }),
            "unsupported: x.png: an image of 60000x60000 pixels; sides of 1 to 4096 are allowed");
}

TEST_F(Images, EmptyFolder) {
  std::filesystem::create_directories(folder / "d" / "cat");
  EXPECT_EQ(refusal([&] { read_image_folder(folder / "d"); }, folder),
            "invalid-argument: d: no images; a sub-folder a class with PNG or JPEG files is expected");
  EXPECT_TRUE(refusal([&] { read_image_folder(folder / "none"); }, folder).starts_with("not-found: "));
}

class Open : public FolderTest {};

TEST_F(Open, TellsTheKindFromNamesAndFirstBytes) {
  write("idx/train-images-idx3-ubyte", idx_images(2, 2, 2));
  write_gzip("idx/train-labels-idx1-ubyte.gz", idx_labels({1, 2}));
  write("idx/t10k-images.idx3-ubyte", idx_images(1, 2, 2));
  auto data = open_data((folder / "idx").string());
  EXPECT_EQ(data.kind, DataKind::kIdx);
  EXPECT_EQ(data.train->labels(), (std::vector<int64_t>{1, 2}));
  ASSERT_TRUE(data.test);
  EXPECT_TRUE(data.test->labels().empty());
  EXPECT_EQ(open_data((folder / "idx/train-images-idx3-ubyte").string()).train->labels().size(), 2u);
  EXPECT_EQ(open_data((folder / "idx/train-images-idx3-ubyte").string() + "," +
                      (folder / "idx/train-labels-idx1-ubyte.gz").string())
                .train->labels()
                .size(),
            2u);
  write("parts/train/a/1.png", png(2, 2, false));
  write("parts/test/a/2.png", png(2, 2, false));
  data = open_data((folder / "parts").string());
  EXPECT_EQ(data.kind, DataKind::kImageFolder);
  ASSERT_TRUE(data.test);
  EXPECT_EQ(data.train->label_names(), std::vector<std::string>{"a"});
  EXPECT_EQ(open_data(write_gzip("t.csv.gz", "a,b\n1,2\n").string()).table->rows(), 1);
  EXPECT_EQ(kind_of((folder / "parts").string()), DataKind::kImageFolder);
  EXPECT_TRUE(refusal([&] { open_data((folder / "none").string()); }, folder).starts_with("not-found: "));
  EXPECT_EQ(refusal([&] { open_data(""); }),
            "invalid-argument: DATA: the name of a file or folder is needed");
}

TEST_F(Open, FashionMnist) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    EXPECT_EQ(refusal([&] { open_data("fashion-mnist"); }),
              "not-found: fashion-mnist: /usr/share/datasets/fashion-mnist does not exist; install it with: "
              "apt-get "
              "install dataset-fashion-mnist");
    return;
  }
  const auto data = open_data("fashion-mnist");
  EXPECT_EQ(data.train->size(), 60000);
  EXPECT_EQ(data.test->size(), 10000);
  EXPECT_EQ(data.train->shape(), (std::vector<int64_t>{1, 28, 28}));
  EXPECT_EQ(std::count(data.train->labels().begin(), data.train->labels().end(), 3), 6000);
}

}  // namespace
}  // namespace discreet
