/* The texts of the demonstration data: places and people are made up, the subjects are those of the association. */
#include "base/cleanup.h"
#include "domain/demo_impl.h"

#define VERGER   "[Démo] Le verger partagé de Saint-Aubin"
#define ATELIER  "[Démo] L’atelier de réparation du faubourg"
#define SOLAIRE  "[Démo] Un toit solaire pour l’école"
#define MARAIS   "[Démo] Rendre l’eau au marais"
#define SEMENCES "[Démo] La maison des semences"
#define CANTINE  "[Démo] Une cantine des champs voisins"
#define CONTES   "[Démo] Les veillées du vivant"
#define VELO     "[Démo] Vélobus des collines"

const struct demo_community demo_communities[] = {
	{ "demo-vallee-de-l-aune", "[Démo] Vallée de l’Aune",
	  "Jardiniers, meuniers et voisins qui soignent ensemble les haies, les fruits et les semences de la vallée.", 320 },
	{ "demo-faubourg-des-tisserands", "[Démo] Faubourg des Tisserands",
	  "Un quartier qui répare, partage ses outils et ouvre ses cours : on y vient avec une panne, on en repart avec un savoir-faire.",
	  280 },
	{ "demo-marais-de-brennelle", "[Démo] Marais de Brennelle",
	  "Pêcheurs, naturalistes et éleveurs autour d’une même question : comment laisser à l’eau le temps de rester.", 210 },
};
const size_t demo_n_communities = N_ELEMENTS(demo_communities);

const struct demo_project demo_projects[] = {
	{ VERGER, "agriculture",
	  "Cent vingt arbres de variétés anciennes sur un terrain communal, plantés et taillés en commun. Les fruits sont à qui les "
	  "cueille, "
	  "les greffons à qui les demande. Nous cherchons des bras pour l’hiver et une presse à jus pour l’automne.",
	  "demo-vallee-de-l-aune", 62, 4500, 140, 6, 190 },
	{ ATELIER, "dechet",
	  "Chaque samedi, des bénévoles réparent avec vous grille-pain, vélos et vêtements. L’an passé, sept objets sur dix sont repartis "
	  "en état de marche. L’atelier veut ouvrir un second soir et former douze nouvelles personnes.",
	  "demo-faubourg-des-tisserands", 48, 3200, 95, 5, 160 },
	{ SOLAIRE, "energie",
	  "Soixante mètres carrés de panneaux sur le toit de l’école, suivis par les élèves eux-mêmes : ils relèvent la production, "
	  "tiennent "
	  "le journal de bord et expliquent le compteur aux plus petits.",
	  "demo-vallee-de-l-aune", 75, 18000, 210, 11, 130 },
	{ MARAIS, "eau",
	  "Reboucher trois fossés de drainage, replanter la roselière et compter ensemble les oiseaux au printemps. Un marais en bonne "
	  "santé "
	  "garde l’eau de l’hiver pour l’été et rafraîchit tout le village.",
	  "demo-marais-de-brennelle", 81, 9000, 175, 9, 100 },
	{ SEMENCES, "agriculture",
	  "Une armoire, un carnet et quarante jardins : on emprunte des graines au printemps, on en rend à l’automne. Le fonds compte déjà "
	  "cent dix variétés reproductibles, du haricot de l’Aune à la laitue d’hiver.",
	  "demo-vallee-de-l-aune", 57, 1500, 60, 4, 75 },
	{ CANTINE, "agriculture",
	  "Relier la cantine du faubourg à cinq fermes situées à moins de quinze kilomètres, avec une cuisine d’apprentissage ouverte aux "
	  "parents le mercredi. Premier objectif : la moitié des repas d’ici à deux ans.",
	  "demo-faubourg-des-tisserands", 53, 12000, 40, 3, 48 },
	{ CONTES, "culture",
	  "Douze soirées au coin du feu, une par mois : un conteur, un naturaliste et les anciens du pays racontent la même rivière. Les "
	  "veillées sont enregistrées et déposées à la médiathèque.",
	  NULL, 34, 800, 15, 2, 20 },
	{ VELO, "transport",
	  "Un ramassage scolaire à vélo sur trois lignes de collines, avec des parents formés, des gilets cousus à l’atelier et un vélo "
	  "cargo "
	  "pour les cartables. Départ prévu à la rentrée.",
	  "demo-faubourg-des-tisserands", 66, 5200, 0, 0, 5 },
};
const size_t demo_n_projects = N_ELEMENTS(demo_projects);

const struct demo_content demo_contents[] = {
	{ "demo-greffer-un-pommier", "[Démo] Greffer un pommier en dix gestes", "video", "published", "racines-philosophie",
	  "Un vieux geste filmé de près, sans musique ni hâte : choisir le greffon, fendre, ajuster, ligaturer, attendre.",
	  "https://example.org/greffer-un-pommier", "[\"verger\",\"geste\"]", VERGER, true, 150 },
	{ "demo-la-panne-est-un-professeur", "[Démo] La panne est un professeur", "article", "published", "autres",
	  "Ce que l’on apprend d’un objet qui ne marche plus, et pourquoi le démonter à plusieurs change la manière d’acheter le suivant.",
	  "https://example.org/la-panne-est-un-professeur", "[\"réparation\"]", ATELIER, true, 120 },
	{ "demo-ecouter-le-marais", "[Démo] Écouter le marais", "podcast", "published", "autres",
	  "Trente minutes d’avril entre quatre et cinq heures du matin : butor, rousserolle, grenouilles, et le vent dans les roseaux.",
	  "https://example.org/ecouter-le-marais", "[\"eau\",\"oiseaux\"]", MARAIS, true, 90 },
	{ "demo-carnet-de-semences", "[Démo] Carnet de semences à imprimer", "pdf", "published", "guides",
	  "Une page par variété : origine, date de semis, isolement, récolte, et la place d’écrire à qui on a donné des graines.",
	  "https://example.org/carnet-de-semences.pdf", "[\"semences\",\"guide\"]", SEMENCES, true, 70 },
	{ "demo-ce-que-dit-la-haie", "[Démo] Ce que dit la haie", "poeme", "published", "racines-philosophie",
	  "Je ne suis ni mur ni chemin,\nje tiens le vent par la main,\net le soir, quand vous fermez vos portes,\nj’ouvre les miennes.",
	  "https://example.org/ce-que-dit-la-haie", "[\"poésie\"]", NULL, true, 60 },
	{ "demo-chanson-du-velobus", "[Démo] La chanson du vélobus", "chanson", "published", "autres",
	  "Trois couplets et un refrain à chanter dans la montée, écrits par la classe des moyens.",
	  "https://example.org/chanson-du-velobus", "[\"école\",\"vélo\"]", VELO, true, 30 },
	{ "demo-lire-un-compteur", "[Démo] Lire un compteur solaire avec des enfants", "article", "published", "guides",
	  "Cinq questions à poser devant l’onduleur, et un tableau à remplir chaque lundi matin.", "https://example.org/lire-un-compteur",
	  "[\"énergie\",\"école\"]", SOLAIRE, true, 12 },
	{ "demo-menu-de-novembre", "[Démo] Le menu de novembre", "article", "pending", "guides",
	  "Vingt repas de saison pour quatre-vingts couverts, avec les fermes d’où vient chaque légume.",
	  "https://example.org/menu-de-novembre", "[\"cantine\"]", CANTINE, false, 6 },
	{ "demo-portrait-de-la-meuniere", "[Démo] Portrait de la meunière", "video", "pending", "autres",
	  "Elle moud le blé de six voisins et connaît chacun à l’odeur de sa farine.", "https://example.org/portrait-de-la-meuniere",
	  "[\"portrait\"]", NULL, false, 3 },
	{ "demo-brouillon-sur-les-communs", "[Démo] Notes sur les communs (brouillon)", "article", "draft", "racines-philosophie",
	  "Quelques pages de lectures à mettre en ordre : le pré, le four, la fontaine, et ce qui les tenait ensemble.", "", "[]", NULL,
	  false, 2 },
	{ "demo-affiche-illisible", "[Démo] Affiche de la fête (version illisible)", "pdf", "rejected", "autres",
	  "Refusée avec bienveillance : le texte est trop petit pour être lu depuis le trottoir.", "", "[\"fête\"]", NULL, false, 40 },
	{ "demo-programme-de-l-an-passe", "[Démo] Programme de l’an passé", "autre", "archived", "autres",
	  "Conservé pour mémoire : les douze veillées de la première année.", "https://example.org/programme-de-l-an-passe",
	  "[\"veillées\"]", CONTES, true, 380 },
};
const size_t demo_n_contents = N_ELEMENTS(demo_contents);

const struct demo_cagnotte demo_cagnottes[] = {
	{ "[Démo] Une presse à jus pour le verger",
	  "Une presse hydraulique d’occasion, quarante litres, à partager entre trois villages.",
	  VERGER,
	  1800,
	  { 50, 120, 35.5, 200 },
	  88 },
	{ "[Démo] Des outils pour l’atelier",
	  "Deux postes à souder, un jeu de clés et une machine à coudre solide.",
	  ATELIER,
	  950,
	  { 20, 80, 15 },
	  64 },
	{ "[Démo] Les premiers panneaux",
	  "Les huit premiers panneaux du toit de l’école ; la suite viendra avec la lumière.",
	  SOLAIRE,
	  6000,
	  { 500, 250, 75, 40 },
	  33 },
	{ "[Démo] Roseaux et ganivelles",
	  "Trois cents plants de roseau et quarante mètres de ganivelle pour la berge nord.",
	  MARAIS,
	  2400,
	  { 60 },
	  9 },
};
const size_t demo_n_cagnottes = N_ELEMENTS(demo_cagnottes);

const struct demo_help_request demo_help_requests[] = {
	{ "[Démo] Tailler avant la sève", "Deux samedis de février, sécateurs fournis, soupe chaude à midi. Débutants bienvenus.", "humain",
	  "high", "new", VERGER, 11 },
	{ "[Démo] Un vélo cargo pour les cartables", "Neuf ou d’occasion, à réparer au besoin : l’atelier du faubourg s’en charge.",
	  "materiel", "medium", "in_review", VELO, 8 },
	{ "[Démo] Boucler le budget des semences", "Il manque deux cents euros pour l’armoire et les bocaux.", "financier", "low",
	  "accepted", SEMENCES, 26 },
	{ "[Démo] Quelqu’un qui sait enregistrer",
	  "Pour les veillées : poser un micro, nettoyer le son, confier le fichier à la médiathèque.", "autre", "medium", "new", NULL, 4 },
};
const size_t demo_n_help_requests = N_ELEMENTS(demo_help_requests);
