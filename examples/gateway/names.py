"""Made-up names of people and companies, each with its spelling in an address."""

from typing import NamedTuple


class Culture(NamedTuple):
    """Given and family names that go together; `family_first` says how they are written."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    family_first: bool = False


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# A name that cannot be spelled in ASCII by dropping its marks carries the spelling after a slash.
CULTURES = (
    Culture(
        _names("Anneke Bastian Cordula Dietmar Friederike Jörg Käthe Lennart Mareike Rüdiger Söhnke Ute"),
        _names("Abendroth Brückner Dornheim Eichstädt Fassbinder Grünwald Hölscher Kesselring Möhring Tannhäuser"),
    ),
    Culture(
        _names("Aurélie Benoît Cécile Étienne Gaëlle Hervé Joëlle Maëlys Océane Rémi Solène Thibault"),
        _names("Beaurepaire Chastagnier Delacourcelle Fontenoy Guérinet Lagardère Montclair Pélissier Roussillon"),
    ),
    Culture(
        _names("Álvaro Begoña Concepción Iñigo Joaquín Lucía Maite Nicolás Paloma Rocío Tomás Ximena"),
        _names("Arizmendi Bustamante Cienfuegos Echeverría Goicoechea Ibáñez Muñárriz Peñalver Quiñones Zubiría"),
    ),
    Culture(
        _names(
            "Agnieszka Bartłomiej/bartlomiej Czesława/czeslawa Dobrosława/dobroslawa Grażyna Kazimierz Małgorzata/malgorzata Żaneta"
        ),
        _names(
            "Błaszkiewicz/blaszkiewicz Dąbrowiecki Gwiazdowska Jędrzejczyk Kołodziejska/kolodziejska Świętek Wróblewska/wroblewska"
        ),
    ),
    Culture(
        _names("Astrid Björn/bjoern Eivind Gudrun Håkon Inger Leif Rasmus Signe Søren/soren Torunn Åse/aase"),
        _names(
            "Bergström Dahlgaard Fjeldstad Hjelmqvist Kvernmo Nørregaard/norregaard Östermark Skovlund Thorvik Ångermark"
        ),
    ),
    Culture(
        _names("Αλεξία/alexia Γιάννης/giannis Δέσποινα/despoina Θανάσης/thanasis Καλλιόπη/kalliopi Στέλιος/stelios"),
        _names(
            "Αρβανίτης/arvanitis Βαρδάκης/vardakis Καραγιάννης/karagiannis Μαυρίδης/mavridis Χατζηπέτρος/chatzipetros"
        ),
    ),
    Culture(
        _names("Богдана/bohdana Зоряна/zoriana Ігор/ihor Любомир/liubomyr Оксана/oksana Тарас/taras Ярина/yaryna"),
        _names("Білоконь/bilokon Гайдученко/haiduchenko Деревянко/derevianko Кравчишин/kravchyshyn Соловій/solovii"),
    ),
    Culture(
        _names("Ayşegül/aysegul Berkay Çağla/cagla Dilara Gökhan Işıl/isil Kerem Nurşen/nursen Özlem Yiğit/yigit"),
        _names(
            "Akdeniz Bozkurtoğlu/bozkurtoglu Çelikkaya/celikkaya Demirtepe Gündoğdu/gundogdu Karaağaç/karaagac Tekinalp"
        ),
    ),
    Culture(
        _names("أمينة/amina باسل/basel ريم/reem سلمى/salma طارق/tareq ليلى/layla نادر/nader هالة/hala"),
        _names("الحمداني/alhamdani البيطار/albitar السعدي/alsaadi القاسمي/alqasimi المنصوري/almansoori درويش/darwish"),
    ),
    Culture(
        _names("Aarav Bhavana Chitra Devansh Gayatri Harish Ishani Kavitha Nikhil Padma Rohan Sunita"),
        _names(
            "Acharekar Bhattacharjee Chaturvedi Deshpande Gopalakrishnan Kulkarni Mukhopadhyay Ranganathan Venkataraman"
        ),
    ),
    Culture(
        _names("明慧/minghui 思远/siyuan 雅婷/yating 建国/jianguo 晓峰/xiaofeng 丽华/lihua 子涵/zihan 志强/zhiqiang"),
        _names("欧阳/ouyang 司徒/situ 林/lin 陈/chen 谢/xie 邓/deng 郭/guo 罗/luo"),
        family_first=True,
    ),
    Culture(
        _names("葵/aoi 健太/kenta 遥/haruka 涼子/ryoko 直樹/naoki 美咲/misaki 拓海/takumi 千尋/chihiro"),
        _names("石黒/ishiguro 大久保/okubo 桜井/sakurai 長谷川/hasegawa 藤原/fujiwara 三浦/miura 若林/wakabayashi"),
        family_first=True,
    ),
    Culture(
        _names("도윤/doyun 민서/minseo 서연/seoyeon 지호/jiho 하은/haeun 현우/hyunwoo 유진/yujin 수빈/subin"),
        _names("강/kang 남궁/namgung 류/ryu 문/moon 배/bae 서/seo 임/lim 황보/hwangbo"),
        family_first=True,
    ),
    Culture(
        _names("Ánh/anh Bảo/bao Dũng/dung Hạnh/hanh Khánh/khanh Ngọc/ngoc Phượng/phuong Thảo/thao Tuấn/tuan"),
        _names("Đặng/dang Đỗ/do Huỳnh/huynh Lý/ly Ngô/ngo Phan/phan Trịnh/trinh Vũ/vu"),
        family_first=True,
    ),
    Culture(
        _names("Adaeze Babajide Chinwe Folasade Ikenna Kehinde Ngozi Obinna Temitope Uchenna Yewande"),
        _names("Abiodun Chukwuemeka Egwuonwu Fashola Nwachukwu Ogunbanjo Okonjo Oyelaran Uzodinma"),
    ),
    Culture(
        _names("Amara Baraka Fatuma Jabari Kamau Makena Nyambura Otieno Wanjiru Zuberi"),
        _names("Achieng Barasa Gathoni Kiprotich Mwangangi Ndegwa Omondi Wambugu"),
    ),
    Culture(
        _names("Beatriz Caetano Éder Fabíola Iara João Leocádia Otávio Raíssa Simão Thaís Valéria"),
        _names("Albuquerque Bittencourt Conceição Figueirêdo Guimarães Magalhães Nogueira Vasconcelos"),
    ),
    Culture(
        _names("Aroha Hemi Ihaia Kahurangi Mereana Ngaire Rawiri Tāne Wiremu"),
        _names("Kererū Mānuka Ngata-Ward Paraone Rangihuna Tāwhai Waititi-Moss"),
    ),
    Culture(
        _names("Abigail Bryony Callum Dervla Eoghan Fiadh Gwendolyn Hamish Niamh Rhiannon Saoirse Tamsin"),
        _names(
            "Ashgrove Birkenshaw Carrowmore Drumgoole Fairweather Llewelyn-Price MacAskill O’Shaughnessy/oshaughnessy Quillfeather"
        ),
    ),
)

COMPANY_FIRST = _names(
    "Amberfield Birchline Cloudberry Driftwood Elmspring Fernhollow Granite Harbourlight Ivory Juniper Kestrel Larkspur "
    "Marigold Northbeam Oakhaven Pebble Quietriver Rowan Saltmarsh Thistle Umber Violet Willowbank Yarrow Zephyr"
)
COMPANY_SECOND = _names(
    "Analytics Atelier Cartography Cooperative Foundry Instruments Labs Logistics Press Robotics Software Studio"
)
COMPANY_FORM = ("", "", " GmbH", " Ltd", " SARL", " AB", " Inc.", " e. V.")
MAIL_HOSTS = ("mail.example.com", "post.example.org", "inbox.example.net", "letters.example.com", "home.example.net")
