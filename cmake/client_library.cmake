# The C++ client library as other programs use it: one archive with every component it stands on, its header, and a CMake package.
#   cmake --install build/release --component client --prefix /usr/local
#   find_package(countersign-client)   target_link_libraries(… countersign::client)
set(parts gate-client gate-context gate-intent gate-document statement tuf keymgmt client transport common)
set(archive ${CMAKE_BINARY_DIR}/lib/libcountersign-client.a)
set(script "CREATE ${archive}\n")
foreach(part IN LISTS parts)
  string(APPEND script "ADDLIB $<TARGET_FILE:${part}>\n")
endforeach()
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/client.mri CONTENT "${script}SAVE\nEND\n")
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND sh -c "exec \"$0\" -M < \"$1\"" ${CMAKE_AR} ${CMAKE_BINARY_DIR}/client.mri
  DEPENDS ${parts} ${CMAKE_BINARY_DIR}/client.mri VERBATIM)
add_custom_target(client-library ALL DEPENDS ${archive})

# A sanitizer's run-time is linked by whoever links the archive.
set(CLIENT_LINK_OPTIONS "")
if(COUNTERSIGN_SANITIZE)
  set(CLIENT_LINK_OPTIONS "-fsanitize=${COUNTERSIGN_SANITIZE}")
endif()
configure_file(cmake/countersign-client-config.cmake.in countersign-client-config.cmake @ONLY)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/countersign-client-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${archive} DESTINATION lib COMPONENT client)
install(FILES gate/client/guarded_gate.h DESTINATION include/countersign COMPONENT client)
install(FILES ${CMAKE_BINARY_DIR}/countersign-client-config.cmake ${CMAKE_BINARY_DIR}/countersign-client-config-version.cmake
  DESTINATION lib/cmake/countersign-client COMPONENT client)
