#include "discreet/base/gzip.h"

#include <zlib.h>

#include <limits>
#include <new>
#include <stdexcept>

#include "discreet/base/error.h"
#include "discreet/base/file.h"

namespace discreet {
namespace {

class Inflater {
 public:
  explicit Inflater(const std::filesystem::path& path) : path_(path) {
    // 15 window bits; 16 asks for the gzip wrapper, whose CRC-32 and length zlib then checks.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Inflates every member of `packed`.
  std::string run(std::string_view packed) {
    std::string content;
    char piece[1 << 16];
    int status = Z_OK;
    do {
      if (stream_.avail_in == 0) {
        // zlib counts in 32 bits, so bigger files are handed over in pieces.
        const size_t count = std::min<size_t>(packed.size(), std::numeric_limits<uInt>::max());
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
        stream_.avail_in = static_cast<uInt>(count);
        packed.remove_prefix(count);
        if (count == 0) break;
      }
      if (status == Z_STREAM_END) inflateReset(&stream_);  // the next member
      stream_.next_out = reinterpret_cast<Bytef*>(piece);
      stream_.avail_out = sizeof piece;
      status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_MEM_ERROR) throw std::bad_alloc();
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) fail("is damaged");
      content.append(piece, sizeof piece - stream_.avail_out);
    } while (true);
    if (status != Z_STREAM_END) fail("is cut short");
    return content;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kDataLoss, path_.string() + ": the gzip file " + what);
  }

  const std::filesystem::path& path_;
  z_stream stream_{};
};

}  // namespace

std::string read_maybe_gzip(const std::filesystem::path& path) {
  try {
    std::string bytes = read_file(path);
    if (!bytes.starts_with("\x1f\x8b")) return bytes;
    return Inflater(path).run(bytes);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kUnavailable, path.string() + ": too big for the memory of this machine");
  } catch (const std::length_error&) {
    throw Error(ErrorKind::kUnavailable, path.string() + ": too big for the memory of this machine");
  }
}

}  // namespace discreet
