// Streams the records of a comma-separated file, plain or gzip (RFC 4180 by libcsv, read leniently).
//
// Never more than one record (at most 1 MiB) is in memory. Structure is checked here: encoding, length,
// quotes, gzip. Messages name the file and the line, never what stands there.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace discreet {

inline constexpr size_t kMaxRecordBytes = size_t{1} << 20;

class CsvReader {
 public:
  // Opens the file and reads its first line. A UTF-8 byte-order mark is skipped.
  // kNotFound, kPermissionDenied, kInvalidArgument (a folder), kDataLoss (empty, first line over 1 MiB).
  explicit CsvReader(const std::filesystem::path& path);
  ~CsvReader();
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  // Without its line ending.
  const std::string& first_line() const { return first_line_; }

  // Calls `record` with the fields of each record and the line on which it starts (1-based). Spaces around a
  // field are removed, blank lines are skipped. Once only.
  // kDataLoss: invalid UTF-8, a record over 1 MiB, a quote that is never closed, corrupt or truncated gzip.
  using Record = std::function<void(const std::vector<std::string>& fields, int64_t line)>;
  void read(char separator, const Record& record);

 private:
  bool fill();  // the next piece of the file into buffer_; false at its end

  std::filesystem::path path_;
  gzFile file_ = nullptr;
  std::string buffer_;
  std::string first_line_;
};

// True if the bytes are well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view bytes);

}  // namespace discreet
