# What `cmake --install` puts beside the programs: units, man pages, completion, configuration,
# documents, the protocol. Paths inside the units follow the prefix that is given at install time.
set(deploy ${CMAKE_SOURCE_DIR}/deploy)

install(FILES ${deploy}/man/skein.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${deploy}/man/skein-coordinator.8 ${deploy}/man/skein-agent.8
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(DIRECTORY proto/skein DESTINATION ${CMAKE_INSTALL_DATADIR}/skein/proto
  FILES_MATCHING PATTERN "*.proto")
install(FILES ${SKEIN_GEN}/journal.sql DESTINATION ${CMAKE_INSTALL_DATADIR}/skein OPTIONAL)
install(DIRECTORY deploy/docs DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(DIRECTORY deploy/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(FILES agent/helper/skein_migration.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/skein OPTIONAL)
install(FILES ${deploy}/systemd/skein.sysusers DESTINATION lib/sysusers.d RENAME skein.conf)

if(TARGET skein AND NOT SKEIN_SANITIZE AND NOT SKEIN_FUZZ)
  set(completion ${CMAKE_BINARY_DIR}/completion/skein)
  add_custom_command(
    OUTPUT ${completion}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion
    COMMAND skein completion bash > ${completion}
    DEPENDS skein
    VERBATIM)
  add_custom_target(skein_completion ALL DEPENDS ${completion})
  install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()

install(CODE "set(deploy \"${deploy}\")\nset(build \"${CMAKE_BINARY_DIR}\")")
install(CODE [=[
  set(BINDIR ${CMAKE_INSTALL_PREFIX}/bin)
  set(SYSCONFDIR ${CMAKE_INSTALL_PREFIX}/etc)
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(SYSCONFDIR /etc)
  endif()
  foreach(unit skein-coordinator.service skein-agent@.service)
    configure_file(${deploy}/systemd/${unit}.in ${build}/systemd/${unit} @ONLY)
    file(INSTALL ${build}/systemd/${unit} DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
  endforeach()
  # What an administrator has written is never overwritten.
  foreach(file coordinator.yaml agent.yaml)
    if(NOT EXISTS "$ENV{DESTDIR}${SYSCONFDIR}/skein/${file}")
      file(INSTALL ${deploy}/etc/${file} DESTINATION ${SYSCONFDIR}/skein)
    endif()
  endforeach()
]=])
