# Warnings for everybody; errors in dev and CI only, so that packagers keep building.
add_compile_options(-Wall -Wextra -Wconversion -Wswitch-enum -Wno-missing-field-initializers)
if(COUNTERSIGN_WERROR)
  add_compile_options(-Werror)
endif()

add_compile_definitions(COUNTERSIGN_VERSION="${PROJECT_VERSION}" _GLIBCXX_ASSERTIONS)

if(COUNTERSIGN_HARDEN)
  # GCC 12 reports moved std::variants at -O2 (GCC bug 105562 and its kin); dev and sanitizer builds keep the warning.
  add_compile_options(-Wno-maybe-uninitialized)
  add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection -U_FORTIFY_SOURCE
                      -D_FORTIFY_SOURCE=2 -Wformat -Werror=format-security)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  add_link_options(-pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endif()
add_link_options(-Wl,--as-needed)

if(COUNTERSIGN_SANITIZE)
  add_compile_options(-fsanitize=${COUNTERSIGN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${COUNTERSIGN_SANITIZE})
  if(COUNTERSIGN_SANITIZE MATCHES "address")
    # A check's description holds pointers: as a position-independent program each start relocates hundreds of megabytes.
    add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
    # AddressSanitizer sees what goes through a null pointer by itself. The descriptions of these checks alone were nine tenths of
    # a program's data, which it registers at each start. Preset ubsan has them.
    add_compile_options(-fno-sanitize=null,alignment)
  endif()
  if(COUNTERSIGN_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    # The vptr check opens a pipe to look at an object; with no descriptor left, which the front must survive, it takes each
    # object for a bad one.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  if(COUNTERSIGN_SANITIZE MATCHES "thread")
    # Headers of Boost fence; what we share between threads is handed over under a mutex, which TSan does see.
    add_compile_options(-Wno-tsan)
  endif()
  # Sanitizers need system calls and /proc access that the confinement forbids; `status` says so.
  add_compile_definitions(COUNTERSIGN_SANITIZED)
endif()
if("${CMAKE_CXX_FLAGS}" MATCHES "--coverage")
  # gcov writes its counts at exit, which the confinement forbids as well.
  add_compile_definitions(COUNTERSIGN_SANITIZED)
endif()
