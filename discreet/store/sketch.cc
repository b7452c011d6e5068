#include "discreet/store/sketch.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/base/file.h"

namespace discreet {
namespace {

constexpr char kContext[] = "dsketch1";  // crypto_kdf wants eight bytes
constexpr uint64_t kHashKeyId = 1, kSealKeyId = 2;
// Count, then k hashes, unused places zero.
constexpr size_t kPlainBytes = sizeof(uint64_t) * (1 + DatasetSketch::kSize);
constexpr size_t kSealedBytes = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + kPlainBytes;

void use_sodium() {
  if (sodium_init() < 0) std::abort();  // no source of randomness: there is no weaker one
}

void put(unsigned char* place, uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) place[byte] = static_cast<unsigned char>(value >> (8 * byte));
}

uint64_t get(const unsigned char* place) {
  uint64_t value = 0;
  for (int byte = 0; byte < 8; ++byte) value |= uint64_t{place[byte]} << (8 * byte);
  return value;
}

// Written under another name and linked: whoever comes second finds the first one's key whole.
void create_key_file(const std::filesystem::path& path) {
  std::array<unsigned char, 32> bytes;
  randombytes_buf(bytes.data(), bytes.size());
  std::array<unsigned char, 8> suffix;
  randombytes_buf(suffix.data(), suffix.size());
  char hex[17];
  sodium_bin2hex(hex, sizeof hex, suffix.data(), suffix.size());
  std::filesystem::path fresh = path;
  fresh += std::string(".") + hex;
  write_file(fresh, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), 0600);
  sodium_memzero(bytes.data(), bytes.size());
  const int linked = ::link(fresh.c_str(), path.c_str());
  const int code = errno;
  ::unlink(fresh.c_str());
  if (linked != 0 && code != EEXIST) throw file_error(code, "cannot make", path);
  sync_folder(path.has_parent_path() ? path.parent_path() : ".");
}

}  // namespace

SketchKey SketchKey::load_or_create(const std::filesystem::path& path) {
  use_sodium();
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) throw file_error(errno, "cannot read", path);
    create_key_file(path);
    if (::stat(path.c_str(), &status) != 0) throw file_error(errno, "cannot read", path);
  }
  if ((status.st_mode & 077) != 0) {
    throw Error(ErrorKind::kPermissionDenied,
                "key " + path.string() + " may be read by others; allowed: mode 0600");
  }
  SketchKey key;
  std::string bytes = read_file(path);
  if (bytes.size() != key.bytes_.size()) {
    throw Error(ErrorKind::kDataLoss, "key " + path.string() + " is damaged: it must be 32 bytes long");
  }
  std::memcpy(key.bytes_.data(), bytes.data(), bytes.size());
  sodium_memzero(bytes.data(), bytes.size());
  return key;
}

SketchKey::~SketchKey() {
  sodium_memzero(bytes_.data(), bytes_.size());
}

std::array<unsigned char, 16> SketchKey::hash_key() const {
  std::array<unsigned char, crypto_shorthash_KEYBYTES> key;
  crypto_kdf_derive_from_key(key.data(), key.size(), kHashKeyId, kContext, bytes_.data());
  return key;
}

std::array<unsigned char, 32> SketchKey::seal_key() const {
  std::array<unsigned char, crypto_secretbox_KEYBYTES> key;
  crypto_kdf_derive_from_key(key.data(), key.size(), kSealKeyId, kContext, bytes_.data());
  return key;
}

DatasetSketch::DatasetSketch(const SketchKey& key) : key_(key), hash_key_(key.hash_key()) {}

void DatasetSketch::add(std::string_view record_bytes) {
  unsigned char hash[crypto_shorthash_BYTES];
  crypto_shorthash(hash, reinterpret_cast<const unsigned char*>(record_bytes.data()), record_bytes.size(),
                   hash_key_.data());
  const uint64_t value = get(hash);
  if (smallest_.size() == kSize) {
    if (value >= *smallest_.rbegin()) return;
    if (smallest_.insert(value).second) smallest_.erase(std::prev(smallest_.end()));
  } else {
    smallest_.insert(value);
  }
}

double DatasetSketch::similarity(const DatasetSketch& other) const {
  if (sodium_memcmp(hash_key_.data(), other.hash_key_.data(), hash_key_.size()) != 0) {
    throw Error(ErrorKind::kInvalidArgument,
                "two data-set sketches can be compared only if made with one key");
  }
  if (empty() || other.empty()) return 0;
  // Below the smaller of the two largest hashes both sketches are complete: there they are plain sets.
  const uint64_t limit = std::min(complete_to(), other.complete_to());
  size_t mine = 0, shared = 0;
  for (uint64_t value : smallest_) {
    if (value > limit) break;
    ++mine;
    shared += other.smallest_.count(value);
  }
  const size_t theirs =
      static_cast<size_t>(std::distance(other.smallest_.begin(), other.smallest_.upper_bound(limit)));
  const size_t smaller = std::min(mine, theirs);
  return smaller == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(smaller);
}

bool DatasetSketch::covers(const DatasetSketch& other) const {
  const auto end = other.smallest_.upper_bound(complete_to());
  return std::all_of(other.smallest_.begin(), end, [&](uint64_t value) { return smallest_.contains(value); });
}

// Every record with a hash up to this one is in the sketch.
uint64_t DatasetSketch::complete_to() const {
  return smallest_.size() == kSize ? *smallest_.rbegin() : std::numeric_limits<uint64_t>::max();
}

std::string DatasetSketch::seal() const {
  std::vector<unsigned char> plain(kPlainBytes, 0);
  put(plain.data(), smallest_.size());
  size_t place = sizeof(uint64_t);
  for (uint64_t value : smallest_) {
    put(plain.data() + place, value);
    place += sizeof(uint64_t);
  }
  std::string sealed(kSealedBytes, '\0');
  auto* nonce = reinterpret_cast<unsigned char*>(sealed.data());
  randombytes_buf(nonce, crypto_secretbox_NONCEBYTES);
  crypto_secretbox_easy(nonce + crypto_secretbox_NONCEBYTES, plain.data(), plain.size(), nonce,
                        key_.seal_key().data());
  return sealed;
}

DatasetSketch DatasetSketch::unseal(const SketchKey& key, std::string_view sealed) {
  std::vector<unsigned char> plain(kPlainBytes, 0);
  const auto* nonce = reinterpret_cast<const unsigned char*>(sealed.data());
  if (sealed.size() != kSealedBytes ||
      crypto_secretbox_open_easy(plain.data(), nonce + crypto_secretbox_NONCEBYTES,
                                 sealed.size() - crypto_secretbox_NONCEBYTES, nonce,
                                 key.seal_key().data()) != 0) {
    throw Error(ErrorKind::kDataLoss,
                "a data-set sketch cannot be opened: it was changed, or its key is another one");
  }
  DatasetSketch sketch(key);
  const uint64_t count = std::min<uint64_t>(get(plain.data()), kSize);
  for (uint64_t place = 1; place <= count; ++place) sketch.smallest_.insert(get(plain.data() + 8 * place));
  return sketch;
}

}  // namespace discreet
