# Every package is an imported target, so that a component can name it under USES or HIDES.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED)

function(package name)
  add_library(${name} INTERFACE IMPORTED GLOBAL)
  target_link_libraries(${name} INTERFACE ${ARGN})
endfunction()

pkg_check_modules(LIBP11 REQUIRED IMPORTED_TARGET libp11)
pkg_check_modules(P11KIT REQUIRED IMPORTED_TARGET p11-kit-1)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(CAPNG REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(YAMLCPP REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
# -pthread: with this glibc it does nothing but define _REENTRANT, which would make a precompiled header another one's.
set_target_properties(PkgConfig::RE2 PROPERTIES INTERFACE_COMPILE_OPTIONS "")
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(QRENCODE REQUIRED IMPORTED_TARGET libqrencode)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
find_package(double-conversion REQUIRED)
# The shared library alone: it takes the place of malloc(3), no header of it is included.
find_library(TCMALLOC NAMES libtcmalloc_minimal.so.4 REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)

package(libp11 PkgConfig::LIBP11)
package(libseccomp PkgConfig::SECCOMP)
package(libcap-ng PkgConfig::CAPNG)
package(yaml-cpp PkgConfig::YAMLCPP)
package(utf8proc PkgConfig::UTF8PROC)
package(double-conversion double-conversion::double-conversion)
package(prometheus prometheus-cpp::core)
package(boost Boost::headers Threads::Threads)
package(libarchive PkgConfig::LIBARCHIVE)
package(re2 PkgConfig::RE2)
package(zlib PkgConfig::ZLIB)
package(qrencode PkgConfig::QRENCODE)
package(sqlite3 PkgConfig::SQLITE)

# Cryptoki declarations only; nothing of p11-kit is linked.
add_library(p11-kit-headers INTERFACE IMPORTED GLOBAL)
target_include_directories(p11-kit-headers SYSTEM INTERFACE ${P11KIT_INCLUDE_DIRS})

# The notifier loads libcurl when it needs it (signer/notifier/curl_library.h).
add_library(libcurl-headers INTERFACE IMPORTED GLOBAL)
target_include_directories(libcurl-headers SYSTEM INTERFACE ${CURL_INCLUDE_DIRS})
target_link_libraries(libcurl-headers INTERFACE ${CMAKE_DL_LIBS})
