; The installer for Windows: the program and its plugins into Program Files. Neither configuration nor
; service: `tandem init` and `tandem service install` make those, in a folder of the operator's choice, which is never this one. An update goes over
; what is there; services of this program are stopped before, and started again. An uninstall takes away what was installed and nothing else.
Unicode true
!include LogicLib.nsh
!include FileFunc.nsh
!include StrFunc.nsh
${StrStr}
${UnStrStr}

!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\Tandem"
!define SERVICES "SYSTEM\CurrentControlSet\Services"

VIProductVersion "${NUMBERS}"
VIAddVersionKey /LANG=0 "ProductName" "Tandem"
VIAddVersionKey /LANG=0 "CompanyName" "Tandem"
VIAddVersionKey /LANG=0 "FileDescription" "Installs Tandem"
VIAddVersionKey /LANG=0 "FileVersion" "${VERSION}"
VIAddVersionKey /LANG=0 "ProductVersion" "${VERSION}"
VIAddVersionKey /LANG=0 "LegalCopyright" "See LICENSE"
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

; Those that were stopped, to be started again: "one|two|"
Var stopped

; EACH UN WORK: the work on every service whose command line holds this very program, its name in $R9.
!macro EACH UN WORK
  StrCpy $R0 0
  ${Do}
    EnumRegKey $R9 HKLM "${SERVICES}" $R0
    ${If} $R9 == ""
      ${ExitDo}
    ${EndIf}
    IntOp $R0 $R0 + 1
    ReadRegStr $R8 HKLM "${SERVICES}\$R9" "ImagePath"
    ${${UN}StrStr} $R7 $R8 "$INSTDIR\tandem.exe"
    ${If} $R7 != ""
      !insertmacro ${WORK}
    ${EndIf}
  ${Loop}
!macroend

!macro STOP
  nsExec::ExecToLog '"$INSTDIR\tandem.exe" service status --name "$R9"'
  Pop $0
  ${If} $0 == 0
    ; It finishes what is under way first.
    nsExec::ExecToLog '"$INSTDIR\tandem.exe" service stop --name "$R9"'
    Pop $0
    ${If} $0 != 0
      MessageBox MB_ICONSTOP "The service $R9 could not be stopped: stop it, and try again." /SD IDOK
      Abort "the service $R9 could not be stopped"
    ${EndIf}
    StrCpy $stopped "$stopped$R9|"
  ${EndIf}
!macroend

!macro START
  ${StrStr} $R6 "|$stopped" "|$R9|"
  ${If} $R6 != ""
    nsExec::ExecToLog '"$INSTDIR\tandem.exe" service start --name "$R9"'
    Pop $0
    ${If} $0 != 0
      DetailPrint "The service $R9 did not start: the event log Application says why"
    ${EndIf}
  ${EndIf}
!macroend

!macro REMOVE
  nsExec::ExecToLog '"$INSTDIR\tandem.exe" service uninstall --name "$R9"'
  Pop $0
  ${If} $0 == 0
    ; One that is gone is counted no more.
    IntOp $R0 $R0 - 1
  ${Else}
    DetailPrint "The service $R9 could not be taken away"
  ${EndIf}
!macroend

Section
  SetRegView 64
  ; A folder that a service's user may change is no place for its program.
  ${If} ${FileExists} "$INSTDIR\tandem.toml"
    MessageBox MB_ICONSTOP "$INSTDIR holds a tandem.toml: choose a folder for the program alone, such as $PROGRAMFILES64\Tandem." /SD IDOK
    Abort "$INSTDIR holds a tandem.toml"
  ${EndIf}
  StrCpy $stopped ""
  ${If} ${FileExists} "$INSTDIR\tandem.exe"
    !insertmacro EACH "" STOP
  ${EndIf}
  SetOutPath "$INSTDIR"
  File /r "${STAGE}/*"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${KEY}" "DisplayName" "Tandem"
  WriteRegStr HKLM "${KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegDWORD HKLM "${KEY}" "NoModify" 1
  WriteRegDWORD HKLM "${KEY}" "NoRepair" 1
  ${If} $stopped != ""
    !insertmacro EACH "" START
  ${EndIf}
  DetailPrint "Next, in a folder of its own such as C:\ProgramData\Tandem: $\"$INSTDIR\tandem.exe$\" init"
SectionEnd

Section Uninstall
  SetRegView 64
  !insertmacro EACH "Un" REMOVE
  !include "${FILES}"
  Delete "$INSTDIR\uninstall.exe"
  ; Only where nothing of anybody else's lies in it.
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${KEY}"
SectionEnd
