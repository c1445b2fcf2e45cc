/**
 * Letters of other scripts, each with what it looks like in Latin in the fonts people read names in. Not all that Unicode
 * knows: Cyrillic, Greek, Armenian and Cherokee are the scripts in which whole Latin words can be spelled. A letter is
 * looked up before its case is folded: a capital may look like another letter than the small one.
 */
const ALIKE = `
  АA ВB СC ЕE НH ІI ЈJ КK МM ОO РP ЅS ТT УY ХX ҮY ҺH ԀD ԌG ԚQ ԜW ѴV ӀI ҒF аa сc еe іi јj оo рp ѕs
  уy хx үy һh ԁd ԍg ԛq ԝw ѵv ӏl
  ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC αa ιi νv οo ρp χx ϲc ϳj ͿJ
  ՏS ՕO ԼL ՍU ՀH օo ոn սu հh յj ցg զq
  ᎠD ᎡR ᎢT Ꭵi ᎪA ᎫJ ᎬE ᎳW ᎷM ᎻH ᎽY ᎩY ᏀG Ꮒh ᏃZ Ꮟb ᏒR ᏔW ᏕS ᏙV ᏚS ᏞL ᏟC ᏢP ᏦK Ꮷd ᏳG ᏴB ᎤO ᎾO Ꮔq ᎭF
  ᏆI ꭰd ꭱr ꭲt ꭵi ꭺa ꭻj ꭼe ꮃw ꮇm ꮋh ꮍy ꮐg ꮓz ꮢr ꮪs ꮩv ꮮl ꮯc ꮲp ꮶk ꭴo
`;

/** The same, but only who expects the Latin letter reads it: whole ordinary words are made of these. */
const PASSABLE = `
  Ьb Ꙁ3 З3 ԐE вb нh кk мm тt гr пn ьb ғf з3 ѡw ԑe ёe їi ӕae ҽe өo ӧo ҫc ҳx ҡk ԋh ҝk єe шw ЁE ЇI
  εe ηn κk τt υu γy ωw όo άa έe ίi ύu ϊi ϱp ςc
  Ց8 քp աw լl ղn ռn իh գq կh տu րn ւi
`;

/** Latin letters that are not on a keyboard and look like ones that are. */
const ODD_LATIN = `
  ıi ɩi ɪi ƚl ɫl ǀl ɑa ᴀa ʙb ƅb ᴄc ᴅd ᴇe ꜰf ɡg ɢg ʜh ȷj ᴊj ᴋk ʟl ᴍm ɴn ᴏo ɵo ᴘp ʀr ꜱs ᴛt ᴜu ʋv ᴠv
  ᴡw ɯw ʏy ᴢz ƒf ſf
  ʸy
`;

const TWINS = readTable(ALIKE);
const FOREIGN: ReadonlyMap<string, string> = new Map([...TWINS, ...readTable(PASSABLE)]);
const SEEN_AS: ReadonlyMap<string, string> = new Map([...readTable(ODD_LATIN), ...FOREIGN]);

function readTable(table: string): ReadonlyMap<string, string> {
  return new Map(
    table
      .trim()
      .split(/\s+/)
      .map((pair) => [pair.slice(0, 1), pair.slice(1)]),
  );
}

/** The Latin that a character looks like, or the character. */
export function seenAs(character: string): string {
  return SEEN_AS.get(character) ?? character;
}

/** Character class of letters of other scripts that cannot be told from Latin ones. */
export const LATIN_TWINS = `[${[...TWINS.keys()].join("")}]`;
/** Of letters of other scripts that pass for Latin ones among Latin ones. */
export const LIKE_LATIN = `[${[...FOREIGN.keys()].join("")}]`;
/** Of Latin letters that pass for ones of another script. */
export const LIKE_FOREIGN = `[${[...new Set([...FOREIGN.values()].join(""))].join("")}]`;
