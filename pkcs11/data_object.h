// Small public values kept on a token (CKO_DATA): the ledger's anchors on the trace token.
#pragma once

#include <p11-kit/pkcs11.h>

#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "pkcs11/token.h"

namespace countersign::pkcs11 {

inline constexpr std::string_view kAnchorLabel = "countersign-anchor";
inline constexpr std::string_view kDataApplication = "countersign";

struct DataObject {
  CK_OBJECT_HANDLE handle = 0;
  Bytes value;  // empty where it is empty or unreadable: a torn write, which is a finding for the reader
};

// Need a ReadWrite session. The caller syncs the token's store: use TokenSession's functions, which do.
Result<DataObject> create_data_object(const Session& session, std::string_view label, ByteView value);
Status destroy_data_object(const Session& session, const DataObject& object);
// Those of our application with that label, in the token's order.
Result<std::vector<DataObject>> list_data_objects(const Session& session, std::string_view label);

}  // namespace countersign::pkcs11
