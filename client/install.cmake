# What `cmake --install` puts where: header, both libraries, pkg-config, CMake.
include(CMakePackageConfigHelpers)

install(FILES coatcheck.h coatcheck_stream.h ${status_h} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT library)
install(TARGETS coatcheck_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT library)
install(FILES ${static_a} DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT library)

# The paths are relative to the files: the prefix may be chosen at install time.
file(RELATIVE_PATH coatcheck_up
  ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig
  ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" coatcheck_up ${coatcheck_up})
configure_file(coatcheck.pc.in coatcheck.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/coatcheck.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Coatcheck)
configure_package_config_file(CoatcheckConfig.cmake.in CoatcheckConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/CoatcheckConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/CoatcheckConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/CoatcheckConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT library)
