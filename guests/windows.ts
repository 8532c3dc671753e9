/** Answers of Windows Setup, in each of its formats. None has a product key: it is the user's, by BOOTWRIGHT_WINDOWS_KEY. */
import { graphics, type Level, text } from 'bootwright'
import { answers } from '../fixtures/answers.js'
import { PASSWORD } from './answers.js'
import { desktop, firmware, installed, setup } from './levels.js'

/** Of 2000 and XP, from their CDs. */
export const textSetup: Level[] = [
  firmware,
  { name: 'installer', title: 'Setup loads its files', until: text(/Windows.*Setup|Setup is/), timeout: '30m' },
  { ...installed('2h'), name: 'files', title: 'its files are copied, and it is reset' },
  installed('4h'),
  desktop('2h'),
]

/** Of those since Vista, by the BIOS. */
export const graphicalSetup: Level[] = [
  firmware,
  { name: 'loader', title: 'it loads its files', until: graphics(), timeout: '10m' },
  setup('30m'),
  installed('6h'),
  desktop('4h'),
]

/** Without one, Setup of Windows 98 to XP asks for it. */
const key = process.env.BOOTWRIGHT_WINDOWS_KEY ?? ''

const COMPONENT =
  'processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS"'

/** What Setup of Windows 11 asks of a computer, and a virtual one has not. */
const LAB_CONFIG = ['BypassTPMCheck', 'BypassSecureBootCheck', 'BypassRAMCheck', 'BypassCPUCheck']

const PARTITIONS = {
  bios: `<CreatePartition wcm:action="add"><Order>1</Order><Type>Primary</Type><Extend>true</Extend></CreatePartition>`,
  uefi: `<CreatePartition wcm:action="add"><Order>1</Order><Type>EFI</Type><Size>100</Size></CreatePartition>
            <CreatePartition wcm:action="add"><Order>2</Order><Type>MSR</Type><Size>16</Size></CreatePartition>
            <CreatePartition wcm:action="add"><Order>3</Order><Type>Primary</Type><Extend>true</Extend></CreatePartition>`,
}

/** Of Windows 10, 11 and Server: the first of the medium's editions onto the first disk, with an Administrator who is logged in. */
export function autounattend(firmware: 'bios' | 'uefi') {
  const isUefi = firmware === 'uefi'
  const commands = LAB_CONFIG.map(
    (name, i) => `<RunSynchronousCommand wcm:action="add"><Order>${i + 1}</Order>
          <Path>reg add HKLM\\SYSTEM\\Setup\\LabConfig /v ${name} /t REG_DWORD /d 1 /f</Path></RunSynchronousCommand>`,
  )
  const template = `<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
  <settings pass="windowsPE">
    <component name="Microsoft-Windows-International-Core-WinPE" ${COMPONENT}>
      <SetupUILanguage><UILanguage>en-US</UILanguage></SetupUILanguage>
      <InputLocale>en-US</InputLocale><SystemLocale>en-US</SystemLocale>
      <UILanguage>en-US</UILanguage><UserLocale>en-US</UserLocale>
    </component>
    <component name="Microsoft-Windows-Setup" ${COMPONENT}>
      <RunSynchronous>
        ${commands.join('\n        ')}
      </RunSynchronous>
      <DiskConfiguration>
        <Disk wcm:action="add">
          <DiskID>0</DiskID><WillWipeDisk>true</WillWipeDisk>
          <CreatePartitions>
            ${PARTITIONS[firmware]}
          </CreatePartitions>
          <ModifyPartitions>
            <ModifyPartition wcm:action="add">${
              isUefi
                ? '<Order>1</Order><PartitionID>1</PartitionID><Format>FAT32</Format>'
                : '<Order>1</Order><PartitionID>1</PartitionID><Active>true</Active><Format>NTFS</Format>'
            }</ModifyPartition>${
              isUefi
                ? '\n            <ModifyPartition wcm:action="add"><Order>2</Order><PartitionID>3</PartitionID><Format>NTFS</Format></ModifyPartition>'
                : ''
            }
          </ModifyPartitions>
        </Disk>
      </DiskConfiguration>
      <ImageInstall><OSImage>
        <InstallFrom><MetaData wcm:action="add"><Key>/IMAGE/INDEX</Key><Value>1</Value></MetaData></InstallFrom>
        <InstallTo><DiskID>0</DiskID><PartitionID>${isUefi ? 3 : 1}</PartitionID></InstallTo>
      </OSImage></ImageInstall>
      <UserData>
        <AcceptEula>true</AcceptEula>
        <ProductKey>${key && `<Key>${key}</Key>`}<WillShowUI>OnError</WillShowUI></ProductKey>
      </UserData>
    </component>
  </settings>
  <settings pass="specialize">
    <component name="Microsoft-Windows-Shell-Setup" ${COMPONENT}><ComputerName>guest</ComputerName></component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" ${COMPONENT}>
      <OOBE><HideEULAPage>true</HideEULAPage><HideOnlineAccountScreens>true</HideOnlineAccountScreens>
        <HideWirelessSetupInOOBE>true</HideWirelessSetupInOOBE><ProtectYourPC>3</ProtectYourPC></OOBE>
      <UserAccounts><AdministratorPassword><Value>{{ password }}</Value><PlainText>true</PlainText></AdministratorPassword></UserAccounts>
      <AutoLogon><Enabled>true</Enabled><Username>Administrator</Username>
        <Password><Value>{{ password }}</Value><PlainText>true</PlainText></Password></AutoLogon>
    </component>
  </settings>
</unattend>
`
  return answers('autounattend', template, { password: PASSWORD })
}

const lines = (text: string) => text.replaceAll('\n', '\r\n')

/** Of Windows 2000 and XP: onto the whole first disk. */
export function winnt() {
  return answers(
    'winnt',
    lines(`[Data]
AutoPartition=1
MsDosInitiated=0
UnattendedInstall=Yes

[Unattended]
UnattendMode=FullUnattended
OemSkipEula=Yes
Repartition=Yes
FileSystem=*
TargetPath=\\WINDOWS

[GuiUnattended]
AdminPassword={{ password }}
AutoLogon=Yes
OEMSkipRegional=1
OemSkipWelcome=1
TimeZone=85

[UserData]
ComputerName=guest
FullName="Bootwright"
OrgName="Bootwright"
ProductID=${key}
ProductKey=${key}

[Display]
BitsPerPel=16
Xresolution=800
YResolution=600

[Identification]
JoinWorkgroup=WORKGROUP

[Networking]
InstallDefaultComponents=Yes
`),
    { password: PASSWORD },
  )
}

/** Of Windows 98. */
export function msbatch() {
  return answers(
    'msbatch',
    lines(`[BatchSetup]
Version=3.0 (32-bit)

[Version]
Signature="$CHICAGO$"

[Setup]
Express=1
InstallDir="C:\\WINDOWS"
InstallType=1
ProductKey="${key}"
EBD=0
ShowEula=0
ChangeDir=0
OptionalComponents=0
Network=1
System=0
CCP=0
CleanBoot=0
Display=0
PenWinWarning=0
InstallTyp=1
NoDirWarn=1
TimeZone="GMT"
Uninstall=0
NoPrompt2Boot=1

[NameAndOrg]
Name="Bootwright"
Org="Bootwright"
Display=0

[Network]
ComputerName="GUEST"
Workgroup="WORKGROUP"
Display=0
PrimaryLogon=VREDIR
`),
  )
}
