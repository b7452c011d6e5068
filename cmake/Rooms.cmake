# discreet_room(NAME [TORCH] [ROOMS other rooms...] [LIBRARIES external libraries...])
# A room is a folder under discreet/: its *.cc make the static library discreet_NAME,
# its *_test.cc make the program NAME_test, which CTest runs as one test.
function(discreet_room name)
  cmake_parse_arguments(room "TORCH" "" "ROOMS;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM room_ROOMS PREPEND discreet_)
  set(target discreet_${name})

  add_library(${target} STATIC ${sources})
  add_library(discreet::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${room_ROOMS} ${room_LIBRARIES} PRIVATE discreet_warnings)
  if(room_TORCH)
    target_link_libraries(${target} PUBLIC Libtorch::Libtorch)
    target_precompile_headers(${target} REUSE_FROM discreet_torch_headers)
  endif()
  install(TARGETS ${target} EXPORT discreet ARCHIVE DESTINATION lib)

  if(tests AND DISCREET_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} discreet_warnings GTest::gtest GTest::gmock GTest::gtest_main)
    if(room_TORCH)
      target_precompile_headers(${name}_test REUSE_FROM discreet_torch_headers)
      target_compile_options(${name}_test PRIVATE -fPIC)  # as the precompiled header was compiled
    endif()
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT
      "OMP_WAIT_POLICY=passive;DISCREET_SOURCE=${PROJECT_SOURCE_DIR};XDG_STATE_HOME=${CMAKE_BINARY_DIR}/state")
  endif()
endfunction()
