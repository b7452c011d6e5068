// DatasetSketch: recognises a data set that was seen before, without keeping any of it.
//
// The k smallest of the keyed hashes of the distinct records ("bottom-k": Cohen and Kaplan 2007; Broder
// 1997). The order of records, their number of copies and the data set's name do not matter. Records should
// come in a canonical form, so that the same person's row gives the same bytes (the caller decides, for
// example columns sorted by name).
//
// Threat model: the hash is SipHash-2-4 under a secret key, and what is stored is sealed (XSalsa20-Poly1305)
// at a fixed length. Without the key the ledger's file tells nothing of the records, not even how many there
// are. Whoever has the key and the ledger can test guesses of whole records. The key lies beside the ledger,
// mode 0600.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace discreet {

// 32 bytes, drawn from the kernel, wiped when the object ends.
class SketchKey {
 public:
  // Makes the file if there is none (two processes that start together end up with one key).
  // kPermissionDenied if others may read it; kDataLoss if it is not 32 bytes long.
  static SketchKey load_or_create(const std::filesystem::path& path);

  ~SketchKey();
  SketchKey(const SketchKey&) = default;
  SketchKey& operator=(const SketchKey&) = default;

  // Independent keys for separate uses, by BLAKE2b (crypto_kdf of libsodium).
  std::array<unsigned char, 16> hash_key() const;
  std::array<unsigned char, 32> seal_key() const;

 private:
  SketchKey() = default;
  std::array<unsigned char, 32> bytes_{};
};

class DatasetSketch {
 public:
  static constexpr size_t kSize = 1024;  // k: a share of 0.25 is estimated to within 0.04 (3 sigma)

  explicit DatasetSketch(const SketchKey& key);

  void add(std::string_view record_bytes);
  bool empty() const { return smallest_.empty(); }

  // Estimated share, 0 to 1, of the smaller data set's distinct records that are in the other one too; exact
  // while both hold fewer than k records. A part of fewer than about 3 n / k records is too small to be
  // recognised inside a whole of n: hardly any of its records are among the whole's smallest. Both sketches
  // must be made with one key.
  double similarity(const DatasetSketch& other) const;

  // Whether each of the other's records that this sketch can tell of is in this data set: none of them is
  // new, as far as one can see. True for the same data set and for a part of it.
  bool covers(const DatasetSketch& other) const;

  bool operator==(const DatasetSketch& other) const { return smallest_ == other.smallest_; }

  std::string seal() const;  // of one length, whatever the data set
  // kDataLoss if `sealed` was changed or made with another key.
  static DatasetSketch unseal(const SketchKey& key, std::string_view sealed);

 private:
  uint64_t complete_to() const;
  SketchKey key_;
  std::array<unsigned char, 16> hash_key_;
  std::set<uint64_t> smallest_;
};

}  // namespace discreet
