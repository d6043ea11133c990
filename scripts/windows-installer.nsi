; The installer for Windows: the program and its plugins into Program Files. Neither configuration nor
; service: `tandem init` and `tandem service install` make those, in a folder of the operator's choice. An update goes over what is there;
; the service is stopped before, and started again.
Unicode true
!include LogicLib.nsh

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Tandem"

Name "Tandem ${VERSION}"
OutFile "${OUT}"
InstallDir "$PROGRAMFILES64\Tandem"
RequestExecutionLevel admin
SetCompressor /SOLID lzma
ShowInstDetails show
Page directory
Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

Section
  SetRegView 64
  ; A service that runs holds the program: it finishes what is under way first. None there is no error.
  Var /GLOBAL ran
  StrCpy $ran 1
  ${If} ${FileExists} "$INSTDIR\tandem.exe"
    nsExec::ExecToLog '"$INSTDIR\tandem.exe" service status'
    Pop $ran
    ${If} $ran == 0
      nsExec::ExecToLog '"$INSTDIR\tandem.exe" service stop'
      Pop $0
    ${EndIf}
  ${EndIf}
  SetOutPath "$INSTDIR"
  File /r "${STAGE}/*"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${KEY}" "DisplayName" "Tandem"
  WriteRegStr HKLM "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegDWORD HKLM "${KEY}" "NoModify" 1
  WriteRegDWORD HKLM "${KEY}" "NoRepair" 1
  ${If} $ran == 0
    nsExec::ExecToLog '"$INSTDIR\tandem.exe" service start'
    Pop $0
  ${EndIf}
  DetailPrint "Next, in a folder of its own such as C:\ProgramData\Tandem: $\"$INSTDIR\tandem.exe$\" init"
SectionEnd

Section Uninstall
  SetRegView 64
  nsExec::ExecToLog '"$INSTDIR\tandem.exe" service uninstall'
  Pop $0
  RMDir /r "$INSTDIR\plugins"
  RMDir /r "$INSTDIR\wit"
  RMDir /r "$INSTDIR\docs"
  RMDir /r "$INSTDIR\licences"
  RMDir /r "$INSTDIR\sbom"
  Delete "$INSTDIR\tandem.exe"
  Delete "$INSTDIR\README.md"
  Delete "$INSTDIR\CHANGELOG.md"
  Delete "$INSTDIR\LICENSE"
  Delete "$INSTDIR\uninstall.exe"
  ; Only where nothing of anybody else's lies in it.
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${KEY}"
SectionEnd
