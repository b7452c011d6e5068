#include "discreet/data/csv_reader.h"

#include <csv.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "discreet/base/error.h"
#include "discreet/base/file.h"

namespace discreet {
namespace {

constexpr size_t kPiece = size_t{1} << 16;

// libcsv's parser as a C++ value; its callbacks collect one record and never throw into C.
class Parser {
 public:
  explicit Parser(char separator) {
    if (csv_init(&parser_, CSV_APPEND_NULL) != 0) throw std::bad_alloc();
    csv_set_delim(&parser_, static_cast<unsigned char>(separator));
  }
  ~Parser() { csv_free(&parser_); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // `bytes` hold at most one end of a line, as their last byte. True if they complete a record.
  bool parse(std::string_view bytes) {
    complete_ = false;
    if (csv_parse(&parser_, bytes.data(), bytes.size(), on_field, on_record, this) != bytes.size() ||
        failure_) {
      throw std::bad_alloc();
    }
    return complete_;
  }

  // At the end of the file: false if a quote is still open. A last record without a line end completes here.
  bool finish() {
    complete_ = false;
    if (parser_.quoted && parser_.pstate == kFieldBegun) return false;
    if (csv_fini(&parser_, on_field, on_record, this) != 0 || failure_) throw std::bad_alloc();
    return true;
  }
  bool complete() const { return complete_; }

  std::vector<std::string>& fields() { return fields_; }
  bool between_records() const { return parser_.pstate == kRowNotBegun; }

 private:
  // libcsv's states (libcsv.c, 3.0.3); its own check for an open quote works only where it is strict
  // throughout.
  static constexpr int kRowNotBegun = 0, kFieldBegun = 2;

  static void on_field(void* field, size_t size, void* self) {
    auto* parser = static_cast<Parser*>(self);
    try {
      parser->fields_.emplace_back(static_cast<const char*>(field), size);
    } catch (...) {
      parser->failure_ = true;
    }
  }
  static void on_record(int, void* self) { static_cast<Parser*>(self)->complete_ = true; }

  csv_parser parser_;
  std::vector<std::string> fields_;
  bool complete_ = false;
  bool failure_ = false;
};

void trim(std::string& field) {
  const auto first = field.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) {
    field.clear();
    return;
  }
  field.erase(field.find_last_not_of(" \t\r\n") + 1);
  field.erase(0, first);
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](size_t i) { return i < bytes.size() && (at(i) & 0xC0) == 0x80; };
  for (size_t i = 0; i < bytes.size();) {
    const unsigned char lead = at(i);
    if (lead < 0x80) {
      ++i;
    } else if (lead >= 0xC2 && lead <= 0xDF) {
      if (!continues(i + 1)) return false;
      i += 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      if (!continues(i + 1) || !continues(i + 2)) return false;
      if (lead == 0xE0 && at(i + 1) < 0xA0) return false;  // overlong
      if (lead == 0xED && at(i + 1) > 0x9F) return false;  // surrogates
      i += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      if (!continues(i + 1) || !continues(i + 2) || !continues(i + 3)) return false;
      if (lead == 0xF0 && at(i + 1) < 0x90) return false;  // overlong
      if (lead == 0xF4 && at(i + 1) > 0x8F) return false;  // above U+10FFFF
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

CsvReader::CsvReader(const std::filesystem::path& path) : path_(path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw file_error(errno, "cannot read", path);
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || S_ISDIR(status.st_mode)) {
    ::close(descriptor);
    throw Error(ErrorKind::kInvalidArgument, path.string() + ": a folder, where a table file is expected");
  }
  file_ = gzdopen(descriptor, "rb");
  if (file_ == nullptr) {
    ::close(descriptor);
    throw std::bad_alloc();
  }
  try {
    // Up to the end of the first line that is not blank.
    size_t start = std::string::npos;
    do {
      if (buffer_.starts_with("\xEF\xBB\xBF")) buffer_.erase(0, 3);
      start = buffer_.find_first_not_of("\r\n");
    } while ((start == std::string::npos || buffer_.find_first_of("\r\n", start) == std::string::npos) &&
             buffer_.size() <= kMaxRecordBytes && fill());
    if (start == std::string::npos) {
      throw Error(ErrorKind::kDataLoss, path.string() +
                                            ": the file is empty; a table needs a line of column names "
                                            "and at least one record");
    }
    first_line_ =
        buffer_.substr(start, std::min(buffer_.find_first_of("\r\n", start), buffer_.size()) - start);
    if (first_line_.size() > kMaxRecordBytes) {
      throw Error(ErrorKind::kDataLoss, path.string() + ": line 1 is longer than 1 MiB");
    }
  } catch (...) {
    gzclose(file_);
    throw;
  }
}

CsvReader::~CsvReader() {
  gzclose(file_);
}

bool CsvReader::fill() {
  const size_t before = buffer_.size();
  buffer_.resize(before + kPiece);
  const int got = gzread(file_, buffer_.data() + before, kPiece);
  buffer_.resize(before + static_cast<size_t>(got > 0 ? got : 0));
  int code = Z_OK;
  gzerror(file_, &code);
  if (code == Z_ERRNO) throw file_error(errno, "cannot read", path_);
  if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    throw Error(ErrorKind::kDataLoss, path_.string() + ": the gzip data is corrupt or ends too early");
  }
  return got > 0;
}

void CsvReader::read(char separator, const Record& record) {
  Parser parser(separator);
  int64_t line = 1;           // of the next byte
  int64_t record_line = 1;    // where the current record starts
  size_t record_bytes = 0;    // fed since then
  bool after_return = false;  // the last byte was a carriage return
  const auto deliver = [&] {
    for (auto& field : parser.fields()) {
      if (!is_utf8(field)) {
        throw Error(ErrorKind::kDataLoss, path_.string() + ": line " + std::to_string(record_line) +
                                              " is not valid UTF-8; save the file as UTF-8");
      }
      trim(field);
    }
    record(parser.fields(), record_line);
    parser.fields().clear();
  };
  do {
    for (size_t position = 0; position < buffer_.size();) {
      const size_t found = buffer_.find_first_of("\r\n", position);
      const size_t end = found == std::string::npos ? buffer_.size() : found + 1;
      const std::string_view piece(buffer_.data() + position, end - position);
      if (parser.between_records()) {
        record_line = line;
        record_bytes = 0;
      }
      const bool complete = parser.parse(piece);
      record_bytes += piece.size();
      if (record_bytes > kMaxRecordBytes && (complete || !parser.between_records())) {
        throw Error(ErrorKind::kDataLoss, path_.string() + ": the record at line " +
                                              std::to_string(record_line) +
                                              " is longer than 1 MiB (is a quote never closed?)");
      }
      if (complete) deliver();
      if (found != std::string::npos) {
        const bool is_return = buffer_[found] == '\r';
        if (is_return || !after_return) ++line;
        after_return = is_return;
      } else {
        after_return = false;
      }
      position = end;
    }
    buffer_.clear();
  } while (fill());
  if (!parser.finish()) {
    throw Error(ErrorKind::kDataLoss, path_.string() + ": the quote in the record at line " +
                                          std::to_string(record_line) + " is never closed");
  }
  if (parser.complete()) deliver();
}

}  // namespace discreet
